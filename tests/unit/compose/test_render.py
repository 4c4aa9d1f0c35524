"""A stack as text: what people read, and what loads again."""

from __future__ import annotations

from textwrap import dedent

from spin.compose import render
from spin.model.stack import Config, Grant, Image, SecretRef, ServiceSpec, StackSpec
from support.compose import loaded, lowered, stack

DIGEST = "sha256:" + "0" * 64


def test_a_stack_reads_as_a_person_would_write_it() -> None:
    text = dedent("""\
        x-spin:
          confirm_after: 1800s
        services:
          db:
            image: docker.io/library/mariadb:11
            stop_grace_period: 10s
            restart: unless-stopped
            volumes:
              - type: volume
                source: data
                target: /var/lib/mysql
            secrets:
              - source: pw
                target: /run/secrets/pw
                mode: "0440"
            retain_ip: true
          web:
            image: localhost:5000/team/web:1.0
            command: ["sh", "-c", "echo $$HOME"]
            environment:
              DEBUG: "true"
              URL: http://api
            stop_grace_period: 1500ms
            restart: "on-failure:3"
            healthcheck:
              test: ["CMD", "curl", "-f", "http://localhost"]
              interval: 5s
              timeout: 30s
              retries: 3
            ports:
              - "8081:81/tcp"
            x-spin:
              http: 8080
              hosts:
                - data.example.org
            networks:
              back:
                aliases:
                  - www
              default:
            depends_on:
              db:
                condition: service_healthy
            deploy:
              replicas: 2
              update_config:
                parallelism: 0
                delay: 10s
                failure_action: rollback
                monitor: 1500ms
                max_failure_ratio: 0.25
                order: start-first
              resources:
                limits:
                  cpus: "0.5"
                  memory: 134217728
        networks:
          back:
            internal: true
        volumes:
          data:
        secrets:
          pw:
            file: ./secrets/pw
        """)
    found = stack(text, files={"./secrets/pw": b"x"})
    assert render(found) == text.replace('"on-failure:3"', "on-failure:3")


def test_pinned_images_keep_tag_and_digest() -> None:
    spec = StackSpec((ServiceSpec("app", Image("docker.io/library/nginx:1", DIGEST)),))
    assert f"image: docker.io/library/nginx:1@{DIGEST}\n" in render(spec)
    assert stack(render(spec)) == spec


def test_secrets_can_be_rendered_as_stored_already() -> None:
    service = ServiceSpec("app", Image("docker.io/library/nginx:1"), secrets=(Grant("pw", "/run/secrets/pw"),))
    spec = StackSpec((service,), secrets=(SecretRef("pw", "shop.pw"),))
    text = render(spec, external_secrets=True)
    assert text.endswith("secrets:\n  pw:\n    external: true\n    name: shop.pw\n")
    assert stack(text).secrets == (SecretRef("pw", "shop.pw", external=True),)


def test_configs_are_in_the_text_whatever_they_hold() -> None:
    contents = {"a": b"plain\ntext $X\n", "b": b"\x00\xff", "c": b"", "d": "é \u2028 \x1b".encode(), "e": b"\r\n"}
    service = ServiceSpec("app", Image("docker.io/library/nginx:1"), configs=tuple(Grant(n, f"/{n}") for n in contents))
    spec = StackSpec((service,), configs=tuple(Config(n, c) for n, c in contents.items()))
    assert lowered(loaded(render(spec))) == spec

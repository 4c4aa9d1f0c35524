"""Each rule about Dockerfiles: its example breaks it, the mended one keeps all, and what lies between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from textwrap import dedent

import pytest

from spin.dockerfile import DESCRIPTIONS, INVALID, RULES, Base, Case, parse, review
from spin.dockerfile.lifetimes import end_of_life
from spin.dockerfile.rule import Rule
from spin.errors import InvalidInput
from spin.model.finding import Finding, Severity

TODAY = date(2026, 11, 24)
every_rule = pytest.mark.parametrize("rule", RULES, ids=[r.code for r in RULES])


def found(text: str, **more: object) -> list[Finding]:
    return list(review(Case(parse(dedent(text).lstrip("\n")), TODAY, **more)))  # type: ignore[arg-type]


def lines(code: str, text: str, **more: object) -> list[int]:
    """Lines with a finding of `dockerfile-<code>`."""
    code = f"dockerfile-{code}"
    assert code in {r.code for r in RULES}
    return [int((f.position or "").rpartition(":")[2]) for f in found(text, **more) if f.rule == code]


# What holds for all of them.


@every_rule
def test_the_example_has_a_finding_of_the_code_with_its_line(rule: Rule) -> None:
    findings = [f for f in found(rule.example) if f.rule == rule.code]
    assert findings
    assert {f.severity for f in findings} == {rule.severity}
    assert all(f.position and f.position.startswith("Dockerfile:") and f.instead for f in findings)


@every_rule
def test_the_mended_example_keeps_every_rule_but_for_advice(rule: Rule) -> None:
    findings = found(rule.fixed)
    assert [f for f in findings if f.rule == rule.code or f.severity is Severity.WARN] == []


def test_nothing_that_is_found_in_a_dockerfile_stops_a_change() -> None:
    assert Severity.REFUSE not in {d.severity for d in DESCRIPTIONS}


@every_rule
def test_a_rule_is_as_severe_as_the_site_says(rule: Rule) -> None:
    case = Case(parse(rule.example), TODAY)
    usual = review(case)
    mine = [f for f in usual if f.rule == rule.code]
    refused = review(case, severities={rule.code: "refuse"})
    assert [f for f in refused if f.rule == rule.code] == [replace(f, severity=Severity.REFUSE) for f in mine]
    assert review(case, severities={rule.code: "off"}) == tuple(f for f in usual if f.rule != rule.code)


def test_a_file_that_is_none_has_a_code_too() -> None:
    with pytest.raises(InvalidInput, match="FORM"):
        parse(INVALID.example)
    parse(INVALID.fixed)


def test_a_dockerfile_as_it_should_be_has_no_finding() -> None:
    text = """
        # syntax=docker/dockerfile:1
        ARG VERSION=3.13
        FROM python:${VERSION}-slim AS build
        WORKDIR /src
        COPY requirements.txt .
        RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt

        FROM python:${VERSION}-slim
        RUN apt-get update \\
         && apt-get install -y --no-install-recommends libpq5 \\
         && rm -rf /var/lib/apt/lists/*
        COPY --from=build /src /app
        HEALTHCHECK CMD ["python3", "/app/check.py"]
        EXPOSE 8080
        USER 10001:10001
        ENTRYPOINT ["python3", "-m", "app"]
        CMD ["--port", "8080"]
    """
    assert found(text) == []


def test_a_finding_names_the_service_that_is_built() -> None:
    (finding, *_) = review(Case(parse("FROM a:1\n", "web/Dockerfile"), TODAY), "web")
    assert (finding.service, finding.key, finding.position) == ("web", "services.web.build", "web/Dockerfile:1")


# One by one.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a:1\n", [1]),
        ("FROM a:1\nUSER app\n", []),
        ("FROM a:1\nUSER root\nUSER 10001\n", []),
        ("FROM a:1\nUSER 10001\nUSER root\n", [3]),
        ("FROM a:1\nUSER 0\n", [2]),
        ("FROM a:1\nUSER 0:1000\n", [2]),
        ('FROM a:1\nUSER "root"\n', [2]),
        ("FROM a:1 AS x\nUSER app\nFROM x\nRUN y\n", []),
        ("FROM a:1 AS x\nUSER app\nFROM b:1\nCOPY --from=x /a /a\n", [3]),
        ("FROM a:1 AS x\nUSER root\nFROM b:1\nUSER app\n", []),
        ("FROM a:1\nONBUILD USER app\n", [1]),
        ("FROM gcr.io/distroless/static:nonroot\n", []),
        ("FROM scratch\n", [1]),
        ("FROM a:1\nUSER $UID\n", []),
    ],
)
def test_the_last_user_of_the_last_stage_counts(text: str, expected: list[int]) -> None:
    assert lines("root", text) == expected


@pytest.mark.parametrize(("user", "expected"), [("", [1]), ("root", [1]), ("0:0", [1]), ("app", []), (None, [1])])
def test_what_is_known_of_the_base_decides_where_no_user_is_named(user: str | None, expected: list[int]) -> None:
    assert lines("root", "FROM a:1\n", bases={"a:1": Base(user=user)}) == expected


@pytest.mark.parametrize(
    ("base", "unpinned", "moving"),
    [
        ("debian", 1, 0),
        ("debian:latest", 0, 1),
        ("debian:stable-slim", 0, 1),
        ("nginx:alpine", 0, 1),
        ("debian:13", 0, 0),
        ("localhost:5000/debian", 1, 0),
        ("localhost:5000/debian:13", 0, 0),
        ("debian@sha256:" + "a" * 64, 0, 0),
        ("debian:latest@sha256:" + "a" * 64, 0, 0),
        ("scratch", 0, 0),
    ],
)
def test_versions_of_bases(base: str, unpinned: int, moving: int) -> None:
    assert (len(lines("unpinned", f"FROM {base}\n")), len(lines("latest", f"FROM {base}\n"))) == (unpinned, moving)


def test_a_stage_is_no_base_image_and_an_unknown_variable_is_not_guessed() -> None:
    assert lines("unpinned", "FROM a:1 AS build\nFROM build\n") == []
    assert lines("unpinned", "ARG BASE\nFROM $BASE\n") == []
    assert lines("unpinned", "ARG BASE=debian\nFROM ${BASE}\n") == [2]
    assert lines("unpinned", "FROM ${BASE:-debian}\n") == [1]


@pytest.mark.parametrize(
    ("base", "ended"),
    [
        ("debian:10", True),
        ("debian:buster-slim", True),
        ("debian:13", False),
        ("docker.io/library/debian:10.13", True),
        ("python:3.9-slim", True),
        ("python:3.12.4", False),
        ("python:3.13-alpine3.15", True),
        ("python:3.13-bullseye", True),
        ("node:18", True),
        ("node:24", False),
        ("alpine:3.9", True),
        ("centos:7", True),
        ("someone/debian:10", False),
        ("ubuntu:26.04", False),
    ],
)
def test_bases_whose_life_has_ended(base: str, ended: bool) -> None:
    assert bool(lines("base-age", f"FROM {base}\n")) is ended


def test_a_base_that_was_built_long_ago() -> None:
    text = "FROM ours:1\n"
    assert lines("base-age", text, bases={"ours:1": Base(date(2024, 1, 1))}) == [1]
    assert lines("base-age", text, bases={"ours:1": Base(date(2026, 9, 1))}) == []
    assert lines("base-age", text, bases={"ours:1": Base(date(1970, 1, 1))}) == []


def test_dates_are_dates_of_versions_that_are_named() -> None:
    assert list(end_of_life("python", "3.9.1-slim-bookworm")) == [
        ("Python 3.9", date(2025, 10, 31)),
        ("Debian 12", date(2028, 6, 30)),
    ]
    assert list(end_of_life("python", "slim")) == []


@pytest.mark.parametrize(
    "line",
    [
        "ENV DB_PASSWORD=hunter2",
        "ENV db_password hunter2",
        "ARG GITHUB_TOKEN",
        "ARG NPM_TOKEN=x",
        "ENV AWS_SECRET_ACCESS_KEY=x",
        "ENV URL=postgres://app:hunter2@db/app",
        "ENV X=AKIAABCDEFGHIJKLMNOP",
        "LABEL key=ghp_" + "a" * 36,
        "RUN git clone https://me:hunter2@example.org/x",
        "RUN <<EOF\necho '-----BEGIN RSA PRIVATE KEY-----' > /k\nEOF",
        "COPY .env /app/",
        "COPY keys/id_rsa /root/.ssh/",
    ],
)
def test_secrets_are_found_and_never_shown(line: str) -> None:
    findings = [f for f in found(f"FROM a:1\n{line}\n") if f.rule == "dockerfile-secret"]
    assert [f.position for f in findings] == ["Dockerfile:2"]
    for text in (findings[0].message, findings[0].instead):
        assert not any(value in text for value in ("hunter2", "AKIA", "ghp_", "BEGIN"))


@pytest.mark.parametrize(
    "line",
    [
        "ENV DB_PASSWORD_FILE=/run/secrets/db",
        "ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "ENV TOKEN_URL=https://example.org/token",
        "ENV DB_PASSWORD=",
        "ENV PWD=/app",
        "ENV AUTHOR=maria",
        "ENV URL=postgres://db/app",
        "RUN --mount=type=secret,id=token cat /run/secrets/token",
        "COPY --from=x /home/.env /app/",
        "COPY keyboard.py /app/",
    ],
)
def test_what_only_resembles_a_secret_is_none(line: str) -> None:
    assert lines("secret", f"FROM a:1\n{line}\n") == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('ENTRYPOINT ["app"]', False),
        ("ENTRYPOINT app", True),
        ("CMD app --x", True),
        ("CMD exec app --x", False),
        ("CMD setup && exec app", False),
        ("CMD setup; app", True),
        ('CMD ["sh", "-c", "app $X"]', True),
        ('CMD ["/bin/bash", "-lc", "exec app $X"]', False),
        ('CMD ["bash", "-c", "app $X"]', False),
        ('CMD ["bash", "-c", "setup; app $X"]', True),
        ('CMD ["python3", "-c", "print(1)"]', False),
        ("CMD []", False),
    ],
)
def test_a_shell_between_signals_and_the_program(line: str, wrong: bool) -> None:
    assert bool(lines("shell-entrypoint", f"FROM a:1\n{line}\n")) is wrong


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('CMD ["nginx"]', True),
        ('CMD ["nginx", "-g", "daemon off;"]', False),
        ('RUN echo "daemon off;" >> /etc/nginx/nginx.conf\nCMD ["nginx"]', False),
        ("RUN service nginx start", True),
        ("CMD service ssh start", True),
        ('CMD ["/usr/sbin/sshd", "-D"]', True),
        ('CMD ["supervisord", "-n"]', True),
        ("CMD cron && tail -f /dev/null", True),
        ('CMD ["apachectl", "-D", "FOREGROUND"]', False),
        ('CMD ["apachectl", "start"]', True),
        ('CMD ["sleep", "infinity"]', True),
        ('CMD ["tail", "-f", "/var/log/app.log"]', False),
        ('CMD ["redis-server"]', False),
        ("CMD exec gunicorn --daemon app", True),
    ],
)
def test_programs_in_the_background(line: str, wrong: bool) -> None:
    assert bool(lines("background", f"FROM a:1\n{line}\n")) is wrong


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        ("RUN apt-get update", {"apt-update", "apt-clean"}),
        ("RUN apt-get update && apt-get install -y x", {"apt-clean", "apt-recommends"}),
        ("RUN apt-get update && apt-get install -y --no-install-recommends x && rm -rf /var/lib/apt/lists/*", set()),
        ("RUN apt-get -qq update && apt-get -y --no-install-recommends install x; rm -r /var/lib/apt/lists", set()),
        (
            "RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install --no-install-recommends -y x",
            set(),
        ),
        (
            "RUN <<EOF\nset -e\napt-get update\napt-get install -y --no-install-recommends x\nrm -rf /var/lib/apt/lists/*\nEOF",
            set(),
        ),
        ("RUN echo 'apt-get update'", set()),
        ("RUN apt-get install -y x # update", {"apt-recommends"}),
        ("RUN DEBIAN_FRONTEND=noninteractive /usr/bin/apt-get install -y x", {"apt-recommends"}),
    ],
)
def test_apt(step: str, codes: set[str]) -> None:
    seen = {f.rule.removeprefix("dockerfile-") for f in found(f"FROM a:1\n{step}\n")}
    assert {code for code in seen if code.startswith("apt")} == codes


def test_what_a_build_stage_leaves_behind_is_not_in_the_image() -> None:
    text = "FROM a:1 AS build\nRUN apt-get update && apt-get install -y gcc\nFROM a:1\nCOPY --from=build /a /a\n"
    assert lines("apt-clean", text) == lines("apt-recommends", text) == []
    assert lines("apt-clean", text.replace("FROM a:1\nCOPY", "FROM build\nCOPY")) == [2]


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        ("RUN pip install flask", {"pip-pins", "pip-cache"}),
        ("RUN pip3 install --no-cache-dir flask==3.1", set()),
        ("RUN python3 -m pip install -r requirements.txt", {"pip-cache"}),
        ("RUN pip install --no-cache-dir . ./x[dev] git+https://e.org/x@v1 -c pins.txt flask", set()),
        ("RUN pip install --no-cache-dir --upgrade pip", set()),
        ("RUN uv pip install --no-cache 'flask[async]'", {"pip-pins"}),
        ("ENV PIP_NO_CACHE_DIR=1\nRUN pip install flask==3", set()),
        ("RUN --mount=type=cache,target=/root/.cache pip install flask==3", set()),
        ("RUN pipx install x", set()),
    ],
)
def test_pip(step: str, codes: set[str]) -> None:
    seen = {f.rule.removeprefix("dockerfile-") for f in found(f"FROM a:1\n{step}\n")}
    assert {code for code in seen if code.startswith("pip-p") or code == "pip-cache"} == codes


@pytest.mark.parametrize(
    ("code", "line", "wrong"),
    [
        ("add-url", "ADD https://e.org/x /x", True),
        ("add-url", "ADD --checksum=sha256:aa https://e.org/x /x", False),
        ("add-url", "ADD https://e.org/x.git#v1 /x", False),
        ("add-local", "ADD x /x", True),
        ("add-local", "ADD x.tar.gz /x", False),
        ("add-local", "ADD https://e.org/x /x", False),
        ("add-local", "COPY x /x", False),
        ("copy-all", "COPY . /x", True),
        ("copy-all", "COPY --from=b . /x", False),
        ("copy-all", "COPY src /x", False),
        ("login-port", "EXPOSE 22/tcp", True),
        ("login-port", "EXPOSE 2222", False),
        ("sudo", "RUN sudo -u app x", True),
        ("sudo", "RUN apt-get install -y sudo", True),
        ("sudo", "RUN echo sudo", False),
        ("pipe-to-shell", "RUN curl -s https://e.org | sudo bash -s", True),
        ("pipe-to-shell", 'RUN bash -c "$(curl -s https://e.org)"', True),
        ("pipe-to-shell", "RUN curl -s https://e.org | tar x", False),
        ("entrypoint-twice", "ENTRYPOINT a\nENTRYPOINT b", True),
        ("entrypoint-twice", "ENTRYPOINT a\nCMD b", False),
        ("healthcheck", "RUN x", True),
        ("healthcheck", "HEALTHCHECK NONE", False),
    ],
)
def test_the_others(code: str, line: str, wrong: bool) -> None:
    assert bool(lines(code, f"FROM a:1\n{line}\n")) is wrong


def test_what_stands_around_the_dockerfile_counts() -> None:
    text = "FROM a:1\nCOPY . /x\n"
    assert lines("copy-all", text, ignores=True) == []
    assert lines("healthcheck", text, healthcheck=True) == []


def test_the_stage_that_is_asked_for_is_the_one_that_is_judged() -> None:
    text = "FROM a:1 AS run\nUSER app\nFROM run AS debug\nUSER root\n"

    def rules(target: str | None, arguments: Mapping[str, str] | None = None) -> set[str]:
        return {f.rule for f in review(Case(parse(text, target=target, arguments=arguments), TODAY))}

    assert "dockerfile-root" in rules(None)
    assert "dockerfile-root" not in rules("run")
    assert "dockerfile-root" not in rules("0")
    with pytest.raises(InvalidInput, match="no stage 'nothing'"):
        parse(text, target="nothing")

"""Commands that change what runs, and how they follow it to its end."""

from __future__ import annotations

import base64

import pytest

from support.fake_api import NOTHING, FakeApi, Problem, change, finding, service, view

STARTING = view(state="initializing", services=(service("web", "initializing", 0, 2, detail="waiting for db"),))
RUNNING = view(services=(service("web", "healthy", 2, 2),), urls=["http://web.shop.development.spin.localhost:8080/"])
STACK = "/projects/demo/environments/development/stacks/shop"


@pytest.fixture
def shop(api: FakeApi) -> FakeApi:
    api.script["shop"] = [STARTING, RUNNING]
    keys = change("web", "change", ("replicas", 1, 2), replaces=False)
    api.preview = {"changes": {**NOTHING, "services": [keys]}, "findings": [], "empty": False, "generation": 1}
    return api


def test_scale_says_what_will_change_then_does_it_and_follows(shop, spin) -> None:
    done = spin("scale", "shop/web=2")
    assert done.status == 0
    assert done.out == "http://web.shop.development.spin.localhost:8080/\n"
    lines = done.err.splitlines()
    assert lines[:5] == [
        "shop in development (project demo): 1 to change.",
        "  ~ service web (running containers stay)",
        "      replicas: 1 → 2",
        "[web] initializing 0/2  waiting for db",
        "[web] healthy 2/2",
    ]
    assert lines[5].startswith("shop is healthy in development (")
    assert [s.body for s in shop.seen if s.method == "POST"] == [
        {"replicas": {"web": 2}, "dry_run": True},
        {"replicas": {"web": 2}, "dry_run": False, "expect_generation": 1},
    ]


@pytest.mark.parametrize("arguments", [["shop/web"], ["shop/web="], ["shop=2"], ["shop/web=2", "shop/db"], []])
def test_scale_without_a_number_is_a_usage_error_and_nothing_is_sent(shop, spin, arguments: list[str]) -> None:
    assert spin("scale", *arguments).status == 2
    assert shop.seen == []


def test_a_refused_change_is_not_even_tried(shop, spin) -> None:
    shop.preview["findings"] = [finding("replicas", message="more than 20.", service="web")]
    done = spin("scale", "shop/web=200")
    assert done.status == 3
    assert "web  replicas: more than 20." in done.err
    assert [s.body["dry_run"] for s in shop.seen if s.method == "POST"] == [True]


def test_start_stop_and_restart_take_stacks_and_services(shop, spin) -> None:
    for verb in ("start", "stop", "restart"):
        assert spin(verb, "shop/web", "shop/db").status == 0
        assert shop.posted(f"/shop/{verb}") == {"services": ["web", "db"]}
    spin("stop", "shop", "-d")
    assert shop.posted("/shop/stop") == {"services": []}


def test_detached_means_accepted_and_not_followed(shop, spin) -> None:
    done = spin("scale", "shop/web=2", "-d")
    assert (done.status, done.out) == (0, "")
    assert "`spin ps shop -e development`" in done.err
    assert not [s for s in shop.seen if s.path.endswith("/stacks/shop") and s.method == "GET"]


def test_a_stack_that_fails_ends_with_its_reasons(shop, spin) -> None:
    broken = service("web", "failed", 0, 2, detail='exit 1: "no such\nfile"')
    shop.script["shop"] = [STARTING, view(state="failed", services=(broken, service("db")))]
    done = spin("restart", "shop")
    assert (done.status, done.out) == (1, "")
    assert '  [web] failed 0/2  exit 1: "no such file"' in done.err.splitlines()
    assert done.err.endswith(
        "spin: shop has failed in development. `spin why shop/web -e development` tells more, and `spin logs` what it wrote.\n"
    )


def test_a_stack_that_does_not_settle_in_time_is_left_to_itself(shop, spin) -> None:
    shop.script["shop"] = [STARTING]
    done = spin("restart", "shop", "--timeout", "1")
    assert done.status == 1
    assert "  [web] initializing 0/2  waiting for db" in done.err.splitlines()
    assert "within 1.0s. It goes on" in done.err


def test_a_settled_view_of_an_earlier_generation_is_not_the_end(shop, spin) -> None:
    shop.generation = 2
    shop.script["shop"] = [{**RUNNING, "generation": 1}, {**STARTING, "generation": 2}, {**RUNNING, "generation": 2}]
    done = spin("restart", "shop")
    assert done.status == 0
    assert len(shop.script["shop"]) == 1


def test_a_platform_that_comes_back_is_followed_on(shop, spin) -> None:
    shop.script["shop"] = [STARTING, STARTING | {"detail": "x"}, RUNNING]
    shop.answers["POST", STACK + "/restart"] = None

    def restart_answer(seen, usual=shop.answer):
        answer = usual(seen)
        if seen.path.endswith("/restart"):
            shop.drop_next = 2
        return answer

    del shop.answers["POST", STACK + "/restart"]
    shop.answer = restart_answer
    done = spin("restart", "shop")
    assert done.status == 0
    assert done.err.count("Trying again.") >= 1


def test_rm_waits_until_the_stack_is_gone(shop, spin) -> None:
    shop.script["shop"] = [view(state="removing", services=(service("web", "stopping", 1, 0),))]
    done = spin("rm", "shop")
    assert done.status == 0
    assert "shop is removed from development" in done.err
    delete = next(s for s in shop.seen if s.method == "DELETE")
    assert delete.query == {"volumes": "false"}


def test_rm_says_which_volumes_stay_and_which_went(shop, spin) -> None:
    shop.answers["GET", "/projects/demo/volumes"] = [
        {"environment": e, "stack": "shop", "name": n, "engine_name": "x", "created": None, "used_by": []}
        for e, n in (("development", "data"), ("production", "other"))
    ]
    shop.script["shop"] = [view(state="removing")]
    assert "Volumes that are kept: data." in spin("rm", "shop").err
    shop.after_removal = False
    done = spin("rm", "shop", "--volumes", "--yes")
    assert "Deleted with their data: data." in done.err
    assert next(s for s in reversed(shop.seen) if s.method == "DELETE").query == {"volumes": "true"}


def test_rm_works_while_the_engine_does_not_tell_its_volumes(shop, spin) -> None:
    shop.answers["GET", "/projects/demo/volumes"] = Problem("engine-unavailable", "Docker does not answer.")
    shop.script["shop"] = [view(state="removing")]
    assert spin("rm", "shop").status == 0


@pytest.mark.parametrize("arguments", [["shop", "-e", "production"], ["shop", "--volumes"], ["shop/web"]])
def test_rm_of_production_or_of_data_needs_a_yes(shop, spin, arguments: list[str]) -> None:
    done = spin("rm", *arguments)
    assert done.status == 2
    assert "DELETE" not in [s.method for s in shop.seen]


def test_rm_of_what_is_not_there_says_so_before_it_asks(api, spin) -> None:
    assert spin("rm", "nothing", "-e", "production").status == 5


def test_promote_previews_with_the_secrets_of_the_target_and_follows_there(shop, home, spin) -> None:
    (home / "pw").write_bytes(b"\x00tr\xc3\xa9s\n")
    done = spin("promote", "shop", "--to", "production", "--secret", "shop.password=pw")
    assert done.status == 0
    assert "shop in production (project demo): 1 to change." in done.err
    secret = {"shop.password": base64.b64encode(b"\x00tr\xc3\xa9s\n").decode()}
    assert [s.body for s in shop.seen if s.method == "POST"] == [
        {"to": "production", "secrets": secret, "dry_run": True},
        {"to": "production", "secrets": secret, "dry_run": False, "expect_generation": 1},
    ]
    assert shop.seen[-1].path == "/api/v1/projects/demo/environments/production/stacks/shop"


@pytest.mark.parametrize("secret", ["shop.password", "=pw", "name=", "name=nofile"])
def test_a_secret_for_a_promotion_is_a_name_and_a_file(shop, home, spin, secret: str) -> None:
    assert spin("promote", "shop", "--to", "production", "--secret", secret).status == 2
    assert shop.seen == []


def test_a_promotion_needs_a_target(shop, spin) -> None:
    done = spin("promote", "shop")
    assert done.status == 2
    assert "--to" in done.err


def test_secrets_are_taken_byte_by_byte_and_never_shown(api, home, spin) -> None:
    api.answers["PUT", "/projects/demo/environments/development/secrets/shop.password"] = {
        "name": "shop.password",
        "version": 3,
        "author": "maria",
        "created": "2026-01-01T00:00:00Z",
    }
    done = spin("secret", "create", "shop.password", "-", stdin="correct horse\n")
    assert done.err == "Secret shop.password is stored in development as version 3.\n"
    assert api.posted("/shop.password") == {"value": base64.b64encode(b"correct horse\n").decode()}
    assert spin("secret", "create", "shop.password", "-", stdin="").status == 2
    assert spin("secret", "create", "shop.password", "nofile").status == 2


def test_a_secret_of_production_is_removed_only_after_a_yes(api, spin) -> None:
    assert spin("secret", "rm", "shop.password").status == 0
    assert spin("secret", "rm", "shop.password", "-e", "production").status == 2
    assert spin("secret", "rm", "shop.password", "-e", "production", "-y").status == 0
    assert len(api.methods()) == 2


def test_a_conflict_is_one_sentence_and_exit_status_one(shop, spin) -> None:
    shop.answers["POST", STACK + "/stop"] = Problem("conflict", "Port 8081 is in use by wiki/web.", {"port": 8081})
    done = spin("stop", "shop")
    assert (done.status, done.err) == (1, "spin: Port 8081 is in use by wiki/web.\n")

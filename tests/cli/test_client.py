"""The client: one connection, honest errors, patience where the platform asks for it."""

from __future__ import annotations

import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from spin.client import Client, normalise_url
from spin.errors import Conflict, EngineUnavailable, Failed, InvalidInput, NotFound, NotSignedIn, Refused, Unavailable
from support.fake_api import KEY, FakeApi, Problem, service, view


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url, KEY) as one:
        yield one


def test_requests_share_one_connection(api: FakeApi, client: Client) -> None:
    client.site()
    client.whoami()
    client.create_project("x")
    list(client.stack("demo", "development", "shop").logs())
    client.stacks("demo", "development")
    assert api.connections == 1


def test_an_answer_is_closed_before_it_is_dropped(api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python closes what is dropped, and loses a Ctrl-C that comes in that moment: the command went on as if nothing had been said."""
    answers = []

    class Kept(http.client.HTTPResponse):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            answers.append(self)

    monkeypatch.setattr(http.client.HTTPConnection, "response_class", Kept)
    client.site()
    list(client.stack("demo", "development", "shop").logs())
    with pytest.raises(NotFound):
        client.stack("demo", "development", "nowhere").view()
    assert [(answer.status, answer.closed) for answer in answers] == [(200, True), (200, True), (404, True)]


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_before_anything_is_sent(api: FakeApi, client: Client) -> None:
    api.close_after_answer = True
    for use in (client.site, lambda: client.create_project("x"), client.site):
        use()
        closed = select.select([client._transport._connection.sock], [], [], 10)[0]
        assert closed
    assert api.methods() == ["POST /projects"]
    assert api.connections == 3


def test_a_get_is_tried_once_more_when_a_kept_connection_breaks(api: FakeApi, client: Client) -> None:
    client.site()
    api.drop_next = 1
    assert client.site()["registry"] == "localhost:5999"


def test_a_change_is_never_sent_twice(api: FakeApi, client: Client) -> None:
    client.site()
    api.drop_next = 1
    with pytest.raises(Unavailable):
        client.create_project("x")
    client.site()
    assert api.methods() == []


def test_credentials_are_a_bearer_key_or_user_and_password(api: FakeApi, client: Client) -> None:
    client.whoami()
    with Client(api.url, basic=("maria", "trustno1")) as other:
        assert other.create_key("laptop")["key"] == KEY
    assert [s.authorization.split()[0] for s in api.seen] == ["Bearer", "Basic"]


def test_a_platform_that_is_not_there_is_said_with_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url) as client, pytest.raises(Unavailable) as caught:
            client.site()
    assert (
        caught.value.message
        == f"No Spin platform answers at {url}. Is `spin serve` running? Set SPIN_URL or run `spin login URL`."
    )


def test_a_platform_that_does_not_answer_in_time_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.2) as client, pytest.raises(Unavailable, match="took longer than"):
            client.site()


def test_something_else_at_that_address_is_said_so(api: FakeApi, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        greeter = threading.Thread(target=greet)
        greeter.start()
        with Client(f"http://127.0.0.1:{other.getsockname()[1]}") as odd, pytest.raises(Unavailable, match="does not speak HTTP"):
            odd.site()
        greeter.join()
    api.answers["GET", "/site"] = b"<h1>Bad gateway</h1>"
    with pytest.raises(Unavailable, match="does not answer now"):
        client.site()


def test_https_to_a_port_that_speaks_none_is_explained(api: FakeApi) -> None:
    with Client(api.url.replace("http:", "https:")) as client, pytest.raises(Unavailable, match="Is it https at all"):
        client.site()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid-input", InvalidInput),
        ("refused", Refused),
        ("not-signed-in", NotSignedIn),
        ("not-found", NotFound),
        ("conflict", Conflict),
        ("engine-unavailable", EngineUnavailable),
        ("failed", Failed),
    ],
)
def test_a_problem_becomes_the_error_it_stands_for(api: FakeApi, client: Client, code: str, kind: type[Exception]) -> None:
    api.answers["GET", "/environments"] = Problem(code, "One sentence.", {"findings": [1], "message": "clash"})
    with pytest.raises(kind) as caught:
        client.environments()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.fields) == ("One sentence.", {"findings": [1]})


def test_names_are_escaped_in_paths(api: FakeApi, client: Client) -> None:
    api.answers["DELETE", "/keys/..%2Fusers%3F"] = None
    client.remove_key("../users?")
    assert api.seen[-1].path == "/api/v1/keys/..%2Fusers%3F"


def test_watching_yields_each_different_view_once_and_ends_in_time(api: FakeApi, client: Client) -> None:
    starting = view(state="initializing", services=(service("web", "initializing", 0),))
    api.script["shop"] = [starting, view(services=(service("web"),))]
    stack = client.stack("demo", "development", "shop")
    begun = time.monotonic()
    assert [v["state"] for v in stack.watch(until=begun + 0.3)] == ["initializing", "healthy"]
    assert 0.3 <= time.monotonic() - begun < 5


def test_logs_come_line_by_line_with_only_the_questions_asked(api: FakeApi, client: Client) -> None:
    api.log_lines = [{"instance": "shop-web-1", "time": "t", "stream": "stdout", "text": f"{n}"} for n in range(3)]
    stack = client.stack("demo", "development", "shop")
    assert [line["text"] for line in stack.logs(service="web", tail=0)] == ["0", "1", "2"]
    assert api.seen[-1].query == {"service": "web", "tail": "0"}


def test_what_ends_logs_before_their_end_is_an_error_and_no_line(api: FakeApi, client: Client) -> None:
    line = {"instance": "shop-web-1", "time": "t", "stream": "stdout", "text": "error"}
    failure = {"error": {"code": "engine-unavailable", "detail": "The engine went away."}}
    api.answers["GET", "/projects/demo/environments/development/stacks/shop/logs"] = lambda _: iter([line, failure])
    lines = client.stack("demo", "development", "shop").logs()
    assert next(lines)["text"] == "error"
    with pytest.raises(EngineUnavailable, match="went away"):
        next(lines)


def test_an_answer_that_was_left_half_read_does_not_reach_the_next_question(api: FakeApi, client: Client) -> None:
    api.log_lines = [{"instance": "a", "time": "t", "stream": "stdout", "text": "x" * 1000}] * 50
    lines = client.stack("demo", "development", "shop").logs()
    next(lines)
    lines.close()
    assert client.whoami()["user"] == "maria"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://a:1/", "http://a:1"),
        ("localhost:7070", "http://localhost:7070"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("[::1]:7070", "http://[::1]:7070"),
        ("spin.example.org", "https://spin.example.org"),
        ("https://example.org/spin/", "https://example.org/spin"),
    ],
)
def test_an_address_may_be_short(given: str, url: str) -> None:
    assert normalise_url(given) == url


@pytest.mark.parametrize("given", ["", "ftp://a", "http://", "http://a:port", "http://a?b=c", "http://user:pw@a"])
def test_anything_else_is_no_address(given: str) -> None:
    with pytest.raises(InvalidInput):
        normalise_url(given)


def test_a_proxy_is_used_for_other_machines_and_never_for_this_one(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Client(api.url, KEY) as client:
        assert client.whoami()["user"] == "maria"
    monkeypatch.setenv("http_proxy", api.url)
    with Client("http://spin.example.org", KEY) as client:
        assert client.site()["registry"] == "localhost:5999"
    monkeypatch.setenv("no_proxy", "192.0.2.1")  # RFC 5737: nobody is there
    with Client("http://192.0.2.1", timeout=0.1) as client, pytest.raises(Unavailable):
        client.site()
    assert len(api.seen) == 2

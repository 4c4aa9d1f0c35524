"""Which programs a container starts: read from command lines as people write them."""

from __future__ import annotations

import time

import pytest

from spin.model.image import ImageFacts
from spin.model.stack import Image, ServiceSpec
from spin.policy.programs import command_line, processes, script_words


def started(*words: str) -> list[str]:
    return [p.program + (" &" if p.background else "") for p in processes(words)]


@pytest.mark.parametrize(
    ("words", "programs"),
    [
        (["/usr/sbin/nginx", "-g", "daemon off;"], ["nginx"]),
        (["sh", "-c", "nginx"], ["nginx"]),
        (["/bin/bash", "-lc", "exec /usr/bin/gunicorn app:app"], ["gunicorn"]),
        (["bash", "-e", "-c", "a && b"], ["a", "b"]),
        (["sh", "-c", "a; b || c | d"], ["a", "b", "c", "d"]),
        (["sh", "-c", "a & b"], ["a &", "b"]),
        (["sh", "-c", "a &\nb &\nwait"], ["a &", "b &", "wait"]),
        (["sh", "-c", "a &"], ["a &"]),
        (["sh", "-c", "nohup a -x & sleep 1"], ["a &", "sleep"]),
        (["sh", "-c", "service nginx start && tail -f /dev/null"], ["nginx &", "tail"]),
        (["sh", "-c", "/etc/init.d/ssh start; exec app"], ["ssh &", "app"]),
        (["systemctl", "start", "mariadb.service"], ["mariadb &"]),
        (["sh", "-c", "bash -c 'a & b'"], ["a &", "b"]),
        (["tini", "--", "app", "-p", "1"], ["app"]),
        (["dumb-init", "-v", "--", "app"], ["app"]),
        (["docker-entrypoint.sh", "postgres"], ["postgres"]),
        (["docker-entrypoint.sh"], ["docker-entrypoint.sh"]),
        (["gosu", "app", "server"], ["server"]),
        (["env", "A=b", "C=d", "server"], ["server"]),
        (["timeout", "-s", "5", "server"], ["server"]),
        (["busybox", "httpd", "-f"], ["httpd"]),
        (["sh", "-c", "A=1 B='x y' server"], ["server"]),
        (["sh", "-c", "if true; then server; fi"], ["true", "server"]),
        (["sh", "-c", "while :; do job; sleep 5; done"], [":", "job", "sleep"]),
        (["sh", "-c", "echo 'a & b'"], ["echo"]),
        (["sh", "-c", 'echo "a; b" && c # & d'], ["echo", "c"]),
        (["sh", "-c", "server > /dev/null 2>&1"], ["server"]),
        (["sh", "-c", "server 2>&1 &"], ["server &"]),
        (["sh", "script.sh"], ["sh"]),
        (["sh"], ["sh"]),
        (["sh", "-c"], ["sh"]),
        (["sh", "-c", ""], []),
        ([], []),
        (["", ""], [""]),
    ],
)
def test_programs_of_a_command_line(words, programs):
    assert started(*words) == programs


def test_where_output_goes_is_known():
    (server,) = processes(["sh", "-c", "server >> '/var/log/x y.log' 2> /tmp/e < /in"])
    assert server.outputs == ("/var/log/x y.log", "/tmp/e")


def test_words_of_a_script_are_told_one_by_one_and_those_of_other_programs_as_they_are():
    assert [*script_words(["sh", "-c", "A='b c' d -e", "x"])] == ["sh", "-c", "A=b c", "d", "-e", "x"]
    assert [*script_words(["python", "-c", "a = b"])] == ["python", "-c", "a = b"]


IMAGE = ImageFacts(entrypoint=("/start",), command=("serve",))


@pytest.mark.parametrize(
    ("entrypoint", "command", "image", "words", "key"),
    [
        (None, None, IMAGE, ("/start", "serve"), "image"),
        (None, ("other",), IMAGE, ("/start", "other"), "command"),
        (("sh",), None, IMAGE, ("sh",), "entrypoint"),
        (("sh",), ("-c", "x"), IMAGE, ("sh", "-c", "x"), "command"),
        (None, ("other",), None, ("other",), "command"),
        (None, None, None, (), "image"),
        ((), None, IMAGE, (), "image"),
    ],
)
def test_file_and_image_are_put_together_as_docker_does(entrypoint, command, image, words, key):
    line = command_line(ServiceSpec("app", Image("x"), entrypoint=entrypoint, command=command), image)
    assert (line.words, line.key) == (words, key)


@pytest.mark.parametrize(
    "script",
    ['"' * 8192, "'" * 8191, "(" * 8192, "sh -c '" * 1000, "a&" * 5000, "\\" * 8192, "2>" * 4000, "exec " * 2000, "x" * 10**6],
)
def test_no_script_takes_long(script):
    begun = time.process_time()
    [*processes(["sh", "-c", script])]
    assert time.process_time() - begun < 1

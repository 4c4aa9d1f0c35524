"""Container manners: the foreground, one concern, no machine's services, logs to stdout. What is told, and what is left alone."""

from __future__ import annotations

import json

import pytest

from spin.model.image import ImageFacts
from spin.policy.case import Known
from support.compose import findings

CODES = {"background-process", "foreign-service", "log-file", "several-concerns"}


def told(
    keys: str, known: Known | None = None, image: str = "localhost:5000/lab/x:1", more: str = ""
) -> list[tuple[str, str | None]]:
    text = f"services:\n  app:\n    image: {image}\n" + "".join(f"    {line}\n" for line in keys.splitlines()) + more
    return [
        (f.rule, (f.key or "").removeprefix("services.app.")) for f in findings(text, known=known or Known()) if f.rule in CODES
    ]


def of_script(script: str) -> list[str]:
    return [rule for rule, _ in told(f"command: {json.dumps(['sh', '-c', script])}")]


@pytest.mark.parametrize(
    "script",
    [
        "service nginx start && tail -f /dev/null",
        "/etc/init.d/apache2 start; sleep infinity",
        "systemctl start nginx",
        "nginx && tail -f /dev/null",
        "tail -f /dev/null",
        "tail -F /dev/null",
        "server &",
        "nohup server &",
        "nohup server",
        "gunicorn -D app:app",
        "gunicorn --daemon app:app",
        "php-fpm8.2 -D",
        "redis-server --daemonize yes",
        "redis-server --daemonize=yes",
        "uwsgi --daemonize /var/log/uwsgi.log",
        "mongod --fork --logpath /dev/stdout",
        "memcached -d",
        "nginx -g 'daemon on;'",
        "apachectl start",
        "pg_ctl start -D /data",
        "celery multi start w1",
        "rabbitmq-server -detached",
        "catalina.sh start",
        "server & sleep infinity",
    ],
)
def test_what_does_not_stay_in_the_foreground_is_told(script):
    assert "background-process" in of_script(script)


@pytest.mark.parametrize(
    "script",
    [
        "exec nginx -g 'daemon off;'",
        "gunicorn app:app",
        "java -Dfile.encoding=UTF-8 -jar app.jar",
        "httpd -DFOREGROUND",
        "apachectl -D FOREGROUND",
        "redis-server --daemonize no",
        "server --daemon=false",
        "server --daemon off",
        "php-fpm -F",
        "sleep infinity",
        "migrate && exec server",
        "tail -f /data/queue",
        "server -d debug",
        "docker-entrypoint.sh postgres",
        "curl -d x=1 http://api/",
        "while true; do job; sleep 60; done",
    ],
)
def test_what_stays_in_the_foreground_is_left_alone(script):
    assert of_script(script) == []


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["supervisord", "-n"], "supervisord"),
        (["/usr/bin/supervisord", "-c", "/etc/supervisord.conf"], "supervisord"),
        (["/sbin/init"], "init"),
        (["/lib/systemd/systemd"], "systemd"),
        (["cron", "-f"], "cron"),
        (["crond", "-f", "-l", "2"], "crond"),
        (["sh", "-c", "cron && apache2-foreground"], "cron"),
        (["sh", "-c", "service cron start; exec app"], "cron"),
        (["sh", "-c", "rsyslogd && exec app"], "rsyslogd"),
        (["syslog-ng", "-F"], "syslog-ng"),
        (["tini", "--", "runsvdir", "/etc/service"], "runsvdir"),
    ],
)
def test_services_of_a_machine_are_told(command, program):
    text = f"services: {{app: {{image: 'localhost:5000/lab/x:1', command: {json.dumps(command)}}}}}"
    (finding,) = [f for f in findings(text) if f.rule == "foreign-service"]
    assert f"`{program}`" in finding.message
    assert finding.key == "services.app.command"


@pytest.mark.parametrize("command", [["/init"], ["app", "cron"], ["crontab", "-l"], ["pm2-runtime", "app.js"], ["node", "init"]])
def test_what_is_called_alike_is_left_alone(command):
    assert told(f"command: {json.dumps(command)}") == []


def test_the_image_is_looked_at_where_the_file_says_nothing():
    known = Known(images={"localhost:5000/lab/x:1": ImageFacts(command=("supervisord", "-n"))})
    assert told("init: true", known) == [("foreign-service", "image")]
    assert told("command: [app]", known) == []


@pytest.mark.parametrize(
    "command",
    [
        ["app", "--log-file=/var/log/app.log"],
        ["app", "--log-file", "/data/app.log"],
        ["app", "--logfile=/x/y"],
        ["gunicorn", "--error-logfile", "/var/log/e.log", "app:app"],
        ["mongod", "--logpath", "/var/log/mongod.log"],
        ["mysqld", "--log-error=/var/lib/mysql/error.log"],
        ["sh", "-c", "app >> /var/log/app.log 2>&1"],
        ["sh", "-c", "app > /data/app.log"],
        ["nginx", "-g", "daemon off; access_log /data/access.log;"],
    ],
)
def test_a_log_file_in_the_command_is_told(command):
    assert told(f"command: {json.dumps(command)}") == [("log-file", "command")]


@pytest.mark.parametrize(
    "command",
    [
        ["gunicorn", "--access-logfile", "-", "app:app"],
        ["app", "--log-file=/dev/stdout"],
        ["app", "--log-file", "/proc/1/fd/1"],
        ["app", "--log-level=debug"],
        ["app", "--log-file="],
        ["app", "--catalog-file=/x/y"],
        ["sh", "-c", "app > /dev/null"],
        ["sh", "-c", "app > /data/result.json"],
        ["nginx", "-g", "daemon off; access_log off; error_log stderr;"],
    ],
)
def test_other_options_are_left_alone(command):
    assert told(f"command: {json.dumps(command)}") == []


@pytest.mark.parametrize(
    ("variable", "is_told"),
    [
        ("LOG_FILE: /var/log/app.log", True),
        ("APP_LOG_PATH: /data/app.log", True),
        ("LOGFILE: /x", True),
        ("DJANGO_LOG_FILE_NAME: /x/y.log", True),
        ("LOG_FILE: /dev/stdout", False),
        ("LOG_FILE: stdout", False),
        ("LOG_FILE: ''", False),
        ("LOG_PATH: /var/log/", False),
        ("CATALOG_FILE: /data/catalog.xml", False),
        ("LOG_LEVEL: /x", False),
    ],
)
def test_variables_that_name_a_log_file(variable, is_told):
    name = variable.partition(":")[0]
    assert told(f"environment: {{{variable}}}") == ([("log-file", f"environment.{name}")] if is_told else [])


@pytest.mark.parametrize(
    ("image", "line", "is_told"),
    [
        ("nginx:1.27", "access_log /data/access.log main;", True),
        ("nginx:1.27", "  error_log /var/log/nginx/error.log warn;", False),
        ("nginxinc/nginx-unprivileged:1.27", "access_log /var/log/nginx/access.log;", False),
        ("localhost:5000/lab/x:1", "access_log /var/log/nginx/access.log;", True),
        ("nginx:1.27", "access_log /dev/stdout;", False),
        ("nginx:1.27", "# access_log /data/access.log;", False),
        ("nginx:1.27", "access_log syslog:server=x;", False),
    ],
)
def test_log_files_in_the_configuration_of_nginx(image, line, is_told):
    more = "configs:\n  conf:\n    content: |\n      server {\n      " + line + "\n      }\n"
    grant = "configs: [{source: conf, target: /etc/nginx/conf.d/site.conf}]"
    assert told(grant, image=image, more=more) == ([("log-file", "configs")] if is_told else [])


@pytest.mark.parametrize(
    "script",
    [
        "redis-server & exec gunicorn app:app",
        "php-fpm & nginx -g 'daemon off;'",
        "api & worker",
        "api & worker & wait",
        "service mysql start; apache2-foreground",
    ],
)
def test_two_servers_in_one_container_are_told(script):
    assert "several-concerns" in of_script(script)


@pytest.mark.parametrize(
    "script", ["migrate && gunicorn app:app", "wait-for db && exec api", "echo x | tee y; nginx -g 'daemon off;'"]
)
def test_what_only_prepares_is_no_concern_of_its_own(script):
    assert of_script(script) == []


@pytest.mark.parametrize(
    ("ports", "is_told"),
    [
        ((80, 3306), True),
        ((5432, 6379), True),
        ((80, 443), False),
        ((8080, 8443), False),
        ((5672, 15672), False),
        ((22, 80), False),
    ],
)
def test_an_image_with_servers_of_different_kinds_is_told(ports, is_told):
    known = Known(images={"localhost:5000/lab/x:1": ImageFacts(exposed=ports)})
    assert told("init: true", known) == ([("several-concerns", "image")] if is_told else [])

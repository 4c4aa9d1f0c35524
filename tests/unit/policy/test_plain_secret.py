"""Secrets in plain sight: found by name and by form, the value never told, and what to write instead.

Nothing here is a real credential; those with a form of their own are put together, so that scanners of this repository are quiet.
"""

from __future__ import annotations

import json
import time

import pytest

from spin.model.finding import Finding, Severity
from spin.model.image import ImageFacts
from spin.model.stack import Image, ServiceSpec, StackSpec
from spin.model.submission import Submission
from spin.policy import audit
from spin.policy.case import Known
from spin.site import Site
from support.compose import findings

VALUE = "correct-horse-battery"
IMAGE = "localhost:5000/lab/x:1"


def found(keys: str, image: str = IMAGE, known: Known | None = None) -> list[Finding]:
    text = f"services:\n  app:\n    image: {image}\n" + "".join(f"    {line}\n" for line in keys.splitlines())
    return [f for f in findings(text, known=known or Known()) if f.rule == "plain-secret"]


def variable(name: str, value: str) -> list[Finding]:
    return found(f"environment: {json.dumps({name: value})}")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("POSTGRES_PASSWORD", "a password"),
        ("MYSQL_ROOT_PASSWORD", "a password"),
        ("DB_PASS", "a password"),
        ("MYSQL_PWD", "a password"),
        ("PGPASSWORD", "a password"),
        ("ADMIN_PASSWD", "a password"),
        ("GPG_PASSPHRASE", "a password"),
        ("PASSWORD", "a password"),
        ("password", "a password"),
        ("dbPassword", "a password"),
        ("spring.datasource.password", "a password"),
        ("SECRET", "a secret"),
        ("JWT_SECRET", "a secret"),
        ("CLIENT_SECRET", "a secret"),
        ("SECRET_KEY", "a key"),
        ("SECRET_KEY_BASE", "a key"),
        ("DJANGO_SECRET_KEY", "a key"),
        ("AWS_SECRET_ACCESS_KEY", "a key"),
        ("API_KEY", "a key"),
        ("OPENAI_APIKEY", "a key"),
        ("STRIPE_PRIVATE_KEY", "a key"),
        ("GITHUB_TOKEN", "a token"),
        ("API_TOKEN_PROD", "a token"),
        ("TOKEN_2", "a token"),
    ],
)
def test_a_variable_is_known_by_its_name(name, kind):
    (finding,) = variable(name, VALUE)
    assert finding.severity is Severity.WARN
    assert finding.key == f"services.app.environment.{name}"
    assert finding.message.startswith(f"The variable {name} holds {kind} in plain sight")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "true",
            "no",
            "1",
            "null",
            "none",
            "/run/secrets/password",
            "/etc/app/key.pem",
            "./key.pem",
            "file:///run/secrets/x",
        ),
        *("$PASSWORD", "${PASSWORD}", "{{ password }}", "<password>", "<your token here>", "********", "xxxx", "%PASSWORD%"),
        *("vault:secret/data/db#password", "`cat /run/secrets/x`"),
    ],
)
def test_what_is_no_value_is_left_alone(value):
    assert variable("DB_PASSWORD", value.replace("$", "$$")) == []


@pytest.mark.parametrize("value", ["changeme", "example", "postgres", "123456", "password", "secret"])
def test_a_password_that_everybody_guesses_is_one_all_the_same(value):
    assert len(variable("DB_PASSWORD", value)) == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            "POSTGRES_PASSWORD_FILE",
            "SECRET_NAME",
            "TOKEN_URL",
            "PASSWORD_MIN_LENGTH",
            "PASSWORD_HASHERS",
            "TOKENIZER",
            "MAX_TOKENS",
        ),
        *(
            "COMPASS",
            "BYPASS",
            "PWD",
            "OLDPWD",
            "PUBLIC_KEY",
            "SORT_KEY",
            "CACHE_KEY",
            "KEYBOARD",
            "SECRETARY",
            "AWS_ACCESS_KEY_ID",
        ),
        *("PASSWORD_RESET_URL", "TOKEN_LIFETIME", "AUTH_METHOD", "API_KEY_HEADER", "SSH_KEY_PATH", "USER", "CREDENTIALS_DIR"),
    ],
)
def test_names_that_only_sound_alike_are_left_alone(name):
    assert variable(name, "some-value") == []


def test_a_number_of_tokens_is_no_token():
    assert variable("MAX_TOKEN", "4096") == []
    assert len(variable("DB_PASSWORD", "4096")) == 1


FORMS = {
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "an AWS access key": "AKIA" + "ABCD1234EFGH5678",
    "a GitLab token": "glpat-" + "a1b2c3d4e5" * 2,
    "a Slack token": "xoxb-" + "1234567890-abcdef",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
    "a signed token (JWT)": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + "." + "dBjftJeZ4CVP",
    "an npm token": "npm_" + "a1B2" * 9,
    "a Google API key": "AIza" + "a1B2c3D" * 5,
    "a Stripe key": "sk_live_" + "a1B2" * 6,
    "a Docker Hub token": "dckr_pat_" + "a1B2c3D4" * 3,
    "a Hugging Face token": "hf_" + "a1B2c3D4" * 4,
    "an API key of this platform": "spin_" + "0a1b2c3d4e5f" + "_" + "0a" * 32,
    "a password in a URL": "postgres://app:" + VALUE + "@db:5432/app",
    "a password in a connection string": "host=db user=app password=" + VALUE,
}


@pytest.mark.parametrize(("what", "value"), FORMS.items())
def test_a_value_is_known_by_its_form_wherever_it_stands(what, value):
    for keys, key in (
        (f"environment: {json.dumps({'SETTING': value})}", "environment.SETTING"),
        (f"command: {json.dumps(['app', '--setting', value])}", "command"),
        (f"command: {json.dumps(['sh', '-c', f'exec app --setting {json.dumps(value)}'])}", "command"),
        (f"entrypoint: {json.dumps(['app', value])}", "entrypoint"),
        (f"labels: {json.dumps({'setting': value})}", "labels.setting"),
    ):
        (finding,) = found(keys)
        assert finding.key == f"services.app.{key}"
        assert what in finding.message
        assert value not in finding.message + finding.instead


@pytest.mark.parametrize(
    "value",
    [
        *("https://example.org/a@b", "postgres://app@db/app", "postgres://app:@db/app", "postgres://app:$$PASSWORD@db/app"),
        *(
            "http://user:<password>@host/",
            "ghp_short",
            "AKIA-region",
            "eyJ.eyJ.x",
            "-----BEGIN PUBLIC KEY-----",
            "mailto:a:b@example.org",
        ),
        *("host=db user=app passwordfile=/x", "00:11:22:33@x", "http://db:5432/x@y", "jdbc:postgresql://db:5432/app"),
    ],
)
def test_what_has_no_secret_in_it_is_left_alone(value):
    assert variable("SETTING", value) == []


def test_a_key_without_a_telling_name_is_known_by_its_randomness():
    assert len(variable("APP_KEY", "base64:q83vASNFZ4mrze8BI0VniavN7wEjRWeJ")) == 1
    assert len(variable("PASSWORD_SALT", "8f14e45fceea167a5a36dedd4bea2543")) == 1
    assert variable("APP_KEY", "the-name-of-my-application") == []
    assert variable("COMMIT", "8f14e45fceea167a5a36dedd4bea2543") == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["redis-server", "--requirepass", VALUE], "requirepass"),
        (["app", "--password=" + VALUE], "--password"),
        (["app", "--db-password", VALUE], "db-password"),
        (["jupyter", "lab", "--NotebookApp.token=" + VALUE], "NotebookApp.token"),
        (["sh", "-c", f"PGPASSWORD={VALUE} psql"], "PGPASSWORD"),
        (["sh", "-c", f"export API_TOKEN='{VALUE}'; app"], "API_TOKEN"),
    ],
)
def test_options_of_a_command(words, name):
    (finding,) = found(f"command: {json.dumps(words)}")
    assert f"The option {name.removeprefix('--')} in the command" in finding.message
    assert VALUE not in finding.message + finding.instead


@pytest.mark.parametrize(
    "words",
    [
        ["app", "--password-file", "/run/secrets/x"],
        ["app", "--password"],
        ["app", "--password", "--verbose"],
        ["jupyter", "lab", "--NotebookApp.token="],
        ["sh", "-c", "exec app --password $$(cat /run/secrets/password)"],
        ["sh", "-c", 'API_TOKEN="$$(cat /run/secrets/token)" app'],
        ["python", "-c", "import os; token=os.environ['X']"],
    ],
)
def test_commands_without_a_secret_are_left_alone(words):
    assert found(f"command: {json.dumps(words)}") == []


def test_build_arguments_are_read_in_both_forms():
    for arguments in ({"NPM_TOKEN": VALUE}, [f"NPM_TOKEN={VALUE}"]):
        (finding,) = found(f"build: {json.dumps({'context': '.', 'args': arguments})}")
        assert finding.key == "services.app.build.args.NPM_TOKEN"
        assert "--mount=type=secret" in finding.instead
    assert found(f"build: {json.dumps({'context': '.', 'args': ['VERSION=1', 'TOKEN']})}") == []


def test_what_is_baked_into_an_image_is_told_with_the_image():
    facts = ImageFacts(
        environment=(("DB_PASSWORD", VALUE), ("PATH", "/bin")),
        labels=(("deploy.token", VALUE),),
        history=(f"|1 NPM_TOKEN={VALUE} /bin/sh -c npm ci", f"ENV DB_PASSWORD={VALUE}", "RUN make KEY=3"),
        command=("app", "--api-key", VALUE),
    )
    told = found("init: true", known=Known(images={IMAGE: facts}))
    assert [f.key for f in told] == ["services.app.image"] * 4
    for word, finding in zip(("DB_PASSWORD", "deploy.token", "NPM_TOKEN", "command"), told, strict=True):
        assert word in finding.message
        assert "Change the value" in finding.instead
    assert VALUE not in repr(told)


def test_a_variable_of_the_image_that_the_file_sets_is_told_once():
    facts = ImageFacts(environment=(("DB_PASSWORD", "changeme"),))
    told = found(f"environment: {{DB_PASSWORD: {VALUE}}}", known=Known(images={IMAGE: facts}))
    assert [f.key for f in told] == ["services.app.environment.DB_PASSWORD"]


@pytest.mark.parametrize(
    ("image", "name", "by_file"),
    [
        ("postgres:16", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"),
        ("mariadb:11", "MARIADB_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD_FILE"),
        ("mongo:7", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_INITDB_ROOT_PASSWORD_FILE"),
        ("wordpress:6", "WORDPRESS_DB_PASSWORD", "WORDPRESS_DB_PASSWORD_FILE"),
        ("grafana/grafana:11.0.0", "GF_SECURITY_ADMIN_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD__FILE"),
        ("bitnami/postgresql:16", "POSTGRESQL_PASSWORD", "POSTGRESQL_PASSWORD_FILE"),
        ("localhost:5000/lab/app:1", "DB_PASSWORD", None),
    ],
)
def test_the_fix_is_told_in_the_names_of_the_place(image, name, by_file):
    (finding,) = found(f"environment: {{{name}: {VALUE}}}", image)
    secret = name.lower()
    assert f"`secrets: {{{secret}: {{file: ./{secret}.txt}}}}`" in finding.instead
    assert f"`secrets: [{secret}]`" in finding.instead
    assert f"/run/secrets/{secret}" in finding.instead
    assert (by_file is None) == ("_FILE" not in finding.instead)
    if by_file:
        assert f"`{by_file}: /run/secrets/{secret}` in the place of {name}" in finding.instead


def test_the_fix_for_postgres_is_one():
    keys = "environment: {POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password}\nsecrets: [postgres_password]"
    more = "\nsecrets: {postgres_password: {external: true}}"
    text = "services:\n  db:\n    image: postgres:16\n" + "".join(f"    {line}\n" for line in keys.splitlines()) + more
    assert findings(text) == ()


def test_odd_names_do_not_break_the_sentence():
    (finding,) = variable("{0}{x}_PASSWORD", VALUE)
    assert "{0}{x}_PASSWORD" in finding.message


def test_a_site_may_refuse():
    text = f"services: {{app: {{image: 'x:1', environment: {{DB_PASSWORD: {VALUE}}}}}}}"
    site = Site(rules={"plain-secret": {"severity": "refuse"}})
    assert [f.severity for f in findings(text, site=site)] == [Severity.REFUSE]


@pytest.mark.parametrize(
    "text",
    [
        "a://x:" * 3000,
        "eyJ" * 6000,
        "eyJaaaaaaaaaa." * 1200,
        "a.a-" * 4000,
        "-----BEGIN " * 1500,
        "password=" * 2000,
        "A" * 10**5,
    ],
)
def test_no_text_takes_long(text):
    begun = time.process_time()
    variable("SETTING", text)
    assert time.process_time() - begun < 1


def test_a_stack_that_is_made_of_such_texts_does_not_take_long_either():
    variables = {f"V{n}": "a://x:" * 2700 for n in range(500)}
    spec = StackSpec((ServiceSpec("app", Image("x"), environment=tuple(variables.items())),) * 20)
    begun = time.process_time()
    assert [f for f in audit(Submission({}), spec, Site()) if f.rule == "plain-secret"] == []
    assert time.process_time() - begun < 1

"""Whatever is sent to whichever operation, by whomever: never a fault of the platform, never an answer that the document does not tell of.

schemathesis makes the requests from the OpenAPI document: such as fit it, and such as do not. They go over HTTP to a whole control plane
in this process (`support.served_api`). Random names would all end at "no such project", so most of the names, and most of the
submissions, are those of things that are there. SPIN_API_EXAMPLES: how many requests of each of the two kinds an operation gets.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from spin.api import document
from spin.api.middleware import is_guarded
from spin.client import Client
from support.api import submission, web
from support.openapi import Document
from support.served_api import Served, served_api

EXAMPLES = int(os.environ.get("SPIN_API_EXAMPLES", "12"))
API = Document(document())
SCHEMA = schemathesis.openapi.from_dict(document())
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PEOPLE = ("root", "otto", "dora", "vera", "sam", "")
"""Operator, owner, developer, viewer, a stranger to the project, and nobody."""
KNOWN = {
    "project": ["lab", "other"],
    "environment": ["development", "production"],
    "stack": ["shop"],
    "service": ["web"],
    "secret": ["password"],
    "user": ["guest"],
    "account": ["survey"],
    "code": ["privileged"],
}
"""Names of things that are there, by parameter. None is one that another example would miss."""
SUBMISSIONS = [
    submission(),
    submission({"web": web(x_spin={"http": 8080}), "util": web(command=["sleep", "1"])}),
    submission({"web": web(environment={"LANG": "C"}, deploy={"replicas": 2})}, configs={"page": b"<p>"}),
    submission({"web": web(privileged=True)}),
]
KINDS = [
    (key, mode)
    for key, operation in API.operations.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or "parameters" in operation or "requestBody" in operation  # else everything fits
]
tally: Counter[str] = Counter()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("fuzzed")) as one:
        with Client(one.url, one.keys["root"]) as client:
            client.create_user("guest")
            client.set_account("lab", "survey", {"uid": 5000, "gid": 5000, "gids": []})
            client.put_secret("lab", "development", "password", b"secret")
        yield one
    print(f"\n{sum(tally.values())} requests: {dict(sorted(tally.items()))}")


@pytest.fixture
def shop(served: Served) -> None:
    """The stack that most requests mean is there when an operation's turn comes."""
    with Client(served.url, served.keys["dora"]) as client:
        client.stack("lab", "development", "shop").deploy(SUBMISSIONS[0])


@pytest.mark.timeout(0 if EXAMPLES > 50 else 120)
@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("key", "mode"), KINDS, ids=[f"{API.operations[k]['operationId']}-{m.value}" for k, m in KINDS])
def test_an_operation_answers_as_the_document_says(served: Served, key: tuple[str, str], mode: GenerationMode) -> None:
    method, path = key

    @given(case=SCHEMA[path][method].as_strategy(generation_mode=mode), person=st.sampled_from(PEOPLE), data=st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES <= 50,  # what everybody runs is the same each time; a long run looks elsewhere
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case, person: str, data: Any) -> None:
        aim(case, data)
        headers = {"Authorization": f"Bearer {served.keys[person]}"} if person else {"Authorization": ""}
        response = case.call(base_url=served.url, headers=headers, timeout=30)
        tally[str(response.status_code)] += 1
        case.validate_response(response, checks=CHECKS)
        must_be_answered_as_all_are(case, response)
        if not person and is_guarded(path):
            assert response.status_code == 401

    ask()


def aim(case: Case, data: Any) -> None:
    """Lead it to what is there, and let nothing wait."""
    chances = st.sampled_from([True, True, True, False])
    for name in case.path_parameters or {}:
        if name in KNOWN and data.draw(chances):
            case.path_parameters[name] = data.draw(st.sampled_from(KNOWN[name]))
    for name in case.query or {}:
        if name in KNOWN and data.draw(chances):
            case.query[name] = data.draw(st.sampled_from(KNOWN[name]))
    for name, quick in (("wait", 0.01), ("follow", "false")):
        if name in (case.query or {}):
            case.query[name] = quick
    if isinstance(case.body, dict) and isinstance(case.body.get("submission"), dict) and data.draw(chances):
        case.body["submission"] = data.draw(st.sampled_from(SUBMISSIONS))


def must_be_answered_as_all_are(case: Case, response: Response) -> None:
    assert response.headers["x-request-id"]
    if response.status_code < 400 or (case.operation.path, response.status_code) == ("/readyz", 503):
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    problem = response.json()
    jsonschema.validate(problem, API.document["components"]["schemas"]["Problem"])
    assert problem["status"] == response.status_code
    assert problem["detail"].strip()

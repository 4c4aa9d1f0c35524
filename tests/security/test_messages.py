"""What is wrong with a document is told to its author and kept in the audit, for all members: never with what may be a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.api import LAB, new_world, path

SECRET = "hunter2hunter2"
WRONG = {
    "variables as one text": {"environment": f"DB_PASSWORD={SECRET}"},
    "a variable that is a list": {"environment": {"DB_PASSWORD": [SECRET]}},
    "a variable with a control character": {"environment": {"DB_PASSWORD": f"{SECRET}\x07"}},
    "a variable without a name": {"environment": [f"={SECRET}"]},
    "labels as one text": {"labels": f"token={SECRET}"},
    "labels of deploy as one text": {"deploy": {"labels": SECRET}},
    "a command whose quote is open": {"command": f'psql "password={SECRET}'},
    "a command that is a mapping": {"command": {f"--password={SECRET}": None}},
    "a test that is no test": {"healthcheck": {"test": ["curl", "-u", SECRET]}},
    "a test as a mapping": {"healthcheck": {"test": {SECRET: SECRET}}},
    "an image with its password": {"image": f"https://dora:{SECRET}@registry.example.org/web:1"},
    "an image with its password and a digest": {"image": f"dora:{SECRET}@registry.example.org/web@sha256:{'a' * 64}"},
}


@pytest.mark.parametrize("name", WRONG)
async def test_no_message_repeats_what_may_be_a_password(tmp_path: Path, name: str) -> None:
    document = {"services": {"web": {"image": f"{LAB}/web:1", **WRONG[name]}}}
    async with new_world(tmp_path) as world:
        answer = await world.as_("dora").put(path("shop"), json={"submission": {"document": document}})
        assert answer.status_code == 422
        assert SECRET not in answer.text
        assert SECRET not in repr(await world.journal())

"""pip's cache stays in the image."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.rules.apt_clean import is_mounted
from spin.dockerfile.rules.pip_pins import installs
from spin.model.finding import Severity

CACHE = "/root/.cache/pip"


def _find(case: Case) -> Iterator[Spot]:
    off = False
    for i in case.dockerfile.shipped():
        off = off or (i.name in ("ENV", "ARG") and any(name == "PIP_NO_CACHE_DIR" for name, _ in i.pairs()))
        if i.name != "RUN" or off or "PIP_NO_CACHE_DIR" in i.script or "pip cache purge" in i.script or is_mounted(i, CACHE):
            continue
        if any(not {"--no-cache-dir", "--no-cache"} & set(words) for words in installs(i.script)):
            yield Spot(i.line)


RULE = Rule(
    code="dockerfile-pip-cache",
    severity=Severity.ADVISE,
    title="pip's cache does not stay in the image",
    message="pip keeps what it has downloaded, a second time, in the image.",
    instead="Write `pip install --no-cache-dir …`, or give the RUN `--mount=type=cache,target=/root/.cache/pip`.",
    why="pip keeps downloads for its next call, which in an image never comes. With scientific packages that is gigabytes.",
    example="""
        FROM python:3.13-slim
        RUN pip install -r requirements.txt
        USER 10001
        CMD ["python3", "/app.py"]
    """,
    fixed="""
        FROM python:3.13-slim
        RUN pip install --no-cache-dir -r requirements.txt
        USER 10001
        CMD ["python3", "/app.py"]
    """,
    find=_find,
)

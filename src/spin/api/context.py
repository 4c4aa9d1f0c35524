"""What endpoints are given: the platform, the person, and names from the path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Depends, Path
from pydantic import AfterValidator, AwareDatetime
from starlette.requests import HTTPConnection

from spin.errors import NotSignedIn
from spin.model.principal import Principal
from spin.usecases.platform import Platform

PREFIX = "/api/v1"


# Coroutines though they wait for nothing: what is none is run in a thread, at several times its cost.


async def _platform(connection: HTTPConnection) -> Platform:
    return cast("Platform", connection.app.state.platform)


async def _principal(connection: HTTPConnection) -> Principal:
    principal = getattr(connection.state, "principal", None)
    if not isinstance(principal, Principal):
        raise NotSignedIn("You are not signed in. Sign in with `spin login`.")
    return principal


ThePlatform = Annotated[Platform, Depends(_platform)]
Person = Annotated[Principal, Depends(_principal)]
"""The signed-in person."""

# No control characters; what else makes a name is the use case's to say, in a sentence.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
ProjectPath = Annotated[str, Path(max_length=128, pattern=_PRINTABLE, description="Name of the project")]
EnvironmentPath = Annotated[str, Path(max_length=128, pattern=_PRINTABLE, description="Name of the environment")]
StackPath = Annotated[str, Path(max_length=128, pattern=_PRINTABLE, description="Name of the stack")]
NamePath = Annotated[str, Path(max_length=128, pattern=_PRINTABLE)]

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def _reckonable(moment: datetime) -> datetime:
    return min(max(moment, _EARLIEST), _LATEST)


Moment = Annotated[AwareDatetime, AfterValidator(_reckonable)]
"""A moment of a query. What lies before all that is remembered, or far ahead, is brought near enough to be reckoned with: the first and the
last days of the calendar are none in another zone.
"""

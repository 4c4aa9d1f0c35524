"""Views that are kept are those that would be made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spin.model.revision import Deployment, Revision
from spin.model.status import DeploymentStatus, State
from spin.site import Site
from spin.usecases.views import Views, stack_view
from support.stored import NOW, deployment, key, revision, status

SITE = Site()
WANTED, REVISION, STATUS = deployment(), revision(), status()


def test_what_has_not_changed_is_not_made_again() -> None:
    views = Views()
    first = views.view(SITE, WANTED, REVISION, STATUS)
    assert first == stack_view(SITE, WANTED, REVISION, STATUS)
    assert views.view(SITE, deployment(), REVISION, STATUS) is first


@pytest.mark.parametrize(
    "changed",
    [
        (replace(WANTED, generation=2), REVISION, STATUS),
        (replace(WANTED, changed=NOW + timedelta(seconds=1)), REVISION, STATUS),
        (WANTED, revision(author="bob"), STATUS),
        (WANTED, REVISION, status(state=State.DEGRADED)),
        (WANTED, REVISION, None),
    ],
    ids=["generation", "moment", "revision", "status", "no status"],
)
def test_whatever_changes_is_seen(changed: tuple[Deployment, Revision, DeploymentStatus | None]) -> None:
    views = Views()
    before = views.view(SITE, WANTED, REVISION, STATUS)
    after = views.view(SITE, *changed)
    assert after == stack_view(SITE, *changed)
    assert after.token != before.token
    assert views.view(SITE, WANTED, REVISION, STATUS) == before


def test_a_stack_is_not_taken_for_another_one() -> None:
    views = Views()
    other = deployment(key(project="biology"))
    assert views.view(SITE, WANTED, REVISION, STATUS).project == "physics"
    assert views.view(SITE, other, REVISION, STATUS).project == "biology"


def test_no_more_are_kept_than_there_is_room_for() -> None:
    views = Views(most=2)
    made = [views.view(SITE, deployment(key(stack=name)), REVISION, STATUS) for name in ("a", "b", "c")]
    again = [views.view(SITE, deployment(key(stack=name)), REVISION, STATUS) for name in ("c", "b", "a")]
    assert again == made[::-1]
    assert [new is old for new, old in zip(again, made[::-1], strict=True)] == [True, True, False]

"""The site's rules, and the page of each: reports of `spin check` link to it, so a browser without a key may read it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from spin.api.context import PREFIX, NamePath, Person, ThePlatform
from spin.rules import catalogue, described, page, severity_on

router = APIRouter(tags=["site"])


class Markdown(PlainTextResponse):
    media_type = "text/markdown"


@dataclass(frozen=True, slots=True)
class RuleView:
    code: str
    severity: str
    """On this site: refuse, warn, advise or off."""
    title: str
    page: str
    """Path of the rule's page on this server."""


@router.get(f"{PREFIX}/rules", summary="Every rule, with how severe it is on this site")
async def get_rules(platform: ThePlatform, person: Person) -> tuple[RuleView, ...]:  # noqa: ARG001 - for whoever is signed in
    return tuple(
        RuleView(code, severity_on(platform.site, what), f"{what.title}.", f"/rules/{code}") for code, what in catalogue().items()
    )


@router.get("/rules/{code}", summary="The page of a rule: the reason, and an example, as Markdown", response_class=Markdown)
async def get_rule(code: NamePath) -> Markdown:
    return Markdown(page(described(code)))

"""Tags of a stack: whose it is, and what it needs (DOMAIN: the tags of the original platform)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule

TAGS = ("fqdn", "group", "owner", "requires", "staff_group", "staff_owner")
"""Those of the original platform."""

REQUIRED = Parameter(
    "required",
    (),
    "Tags that every stack must have, such as `staff_owner`. `owner` is always there: it is filled in with whoever brings a stack up.",
)
FURTHER = Parameter(
    "further",
    (),
    "Tags that a stack may have beside owner, staff_owner, group, staff_group, fqdn and requires.",
)


def _find(case: Case) -> Iterator[Place]:
    required, there = REQUIRED.of(case), dict(case.spec.tags)
    known = {*TAGS, *FURTHER.of(case), *required}
    for tag in there:
        if tag not in known:
            values = {"what": f"{quoted(tag)} is not a tag here", "advice": f"Known are {', '.join(sorted(known))}."}
            yield Place(f"x-spin.tags.{tag}", None, values)
    for tag in required:
        if tag not in there and tag != "owner":
            advice = f"Write it at the top level of the file: `x-spin: {{tags: {{{tag}: …}}}}`."
            yield Place("x-spin.tags", None, {"what": f"The tag `{tag}` is missing, and this site asks for it", "advice": advice})


RULE = Rule(
    code="stack-tags",
    severity=Severity.REFUSE,
    title="A stack says whose it is",
    message="{what}.",
    instead="{advice}",
    why="On the original platform owners left, and nobody knew whose stack it was or whether anybody still needed it. So a stack carries "
    "tags: `owner`, `staff_owner`, `group`, `staff_group`, `fqdn`, and `requires` for what it cannot do without, such as an external "
    "filesystem. An owner that is not written is filled in with whoever brings the stack up first. The site file says which tags every "
    "stack must have, and whether there are others; a tag that nobody knows is mostly a mistyped one, and would be looked for in vain.",
    example="""
        x-spin:
          tags: {owner: ann}
        services:
          web:
            image: nginx:1.27
    """,
    fixed="""
        x-spin:
          tags: {owner: ann, staff_owner: ben}
        services:
          web:
            image: nginx:1.27
    """,
    site="""
        [rules.stack-tags]
        required = ["owner", "staff_owner"]
    """,
    optional=True,
    find=_find,
    parameters=(REQUIRED, FURTHER),
)

"""Planning, pure: what is wanted and what is there come in as frozen values; steps, status and texts come out.

`desire` works out what is wanted, `plan` the steps that are safe now, `status` what people are told, `compare` what a change would
change; `routes` keeps the tables that lead to containers; `gate` and `upgrades` are about upgrades that nobody has confirmed yet,
`jobs` about services with a schedule.
Nothing here performs I/O or knows the time: the moment is an argument.
"""

from spin.plan import gate, happenings, jobs, routes, upgrades
from spin.plan.changes import Action, Changes, KeyChange, PartChange, ServiceChange, compare
from spin.plan.desired import Desired, DesiredService, desire, progress_of
from spin.plan.masking import masked, smells_of_secret
from spin.plan.memory import remember
from spin.plan.planner import Plan, plan
from spin.plan.status import roll_up, status
from spin.plan.text import render, text

__all__ = [
    "Action",
    "Changes",
    "Desired",
    "DesiredService",
    "KeyChange",
    "PartChange",
    "Plan",
    "ServiceChange",
    "compare",
    "desire",
    "gate",
    "happenings",
    "jobs",
    "masked",
    "plan",
    "progress_of",
    "remember",
    "render",
    "roll_up",
    "routes",
    "smells_of_secret",
    "status",
    "text",
    "upgrades",
]

"""The one table of keys: what becomes of every attribute of the Compose Specification, of the old `version: '2'` and `'3'` files, and
of `rancher-compose.yml`.

A key that stands nowhere here is unknown, and refused too. `x-…` keys are allowed anywhere and mean nothing, but for `x-spin` at the
top level and on a service. The verdict on a key holds for all that is below it, unless the table goes on there. The documentation is
made from this table, and a test walks the specification's own schema over it.
"""

from spin.policy.keys.sections import CONFIG, FILE, NETWORK, SECRET, VOLUME
from spin.policy.keys.service import SERVICE
from spin.policy.keys.verdicts import ByValue, Ignored, Met, Refused, Ruled, Supported, Translated, Verdict, walk

__all__ = [
    "CONFIG",
    "FILE",
    "NETWORK",
    "SECRET",
    "SERVICE",
    "VOLUME",
    "ByValue",
    "Ignored",
    "Met",
    "Refused",
    "Ruled",
    "Supported",
    "Translated",
    "Verdict",
    "walk",
]

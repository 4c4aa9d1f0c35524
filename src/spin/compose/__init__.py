"""Compose files: text to a submission on the workstation (`load`), a submission to a StackSpec on the server (`lower`).

Pure: texts in, values out. One stage a file: parse, interpolate, merge, documents (include, extends; rebase), rancher, profiles,
environment, binds, load; lower (cursor, forms, service, published, attached, references), builds, render; canonical.
"""

from __future__ import annotations

from spin.compose.builds import builds
from spin.compose.canonical import canonical
from spin.compose.load import load, suggested_name, variables
from spin.compose.lower import lower
from spin.compose.notices import INVALID_FILE, NOTICES
from spin.compose.rancher import NAMES as RANCHER_NAMES
from spin.compose.render import render

__all__ = [
    "INVALID_FILE",
    "NOTICES",
    "RANCHER_NAMES",
    "builds",
    "canonical",
    "load",
    "lower",
    "render",
    "suggested_name",
    "variables",
]

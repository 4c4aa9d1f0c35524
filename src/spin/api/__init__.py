"""JSON endpoints: parse, call a use case, render. One router a noun."""

from spin.api.app import build

__all__ = ["build"]

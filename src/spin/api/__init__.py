"""JSON endpoints: parse, call a use case, render. One router a noun."""

from spin.api.app import build, document
from spin.api.connections import SERVER

__all__ = ["SERVER", "build", "document"]

"""Spin: build, ship, run and copy containers, by the people who use them. See docs/architecture.md for the map."""

__version__ = "0.1.0"

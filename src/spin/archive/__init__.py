"""Logs of removed containers, as compressed files."""

from spin.archive.files import FileArchive

__all__ = ["FileArchive"]

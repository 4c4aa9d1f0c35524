"""What a database's errors mean to the person who asked. The databases' own words go into the log with the cause, not to people."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from spin.errors import Conflict, Failed, InvalidInput, SpinError, Unavailable


def silent() -> SpinError:
    return Unavailable("The store does not answer. Try again in a moment.")


def busy() -> SpinError:
    return Unavailable("The store is busy: another change does not finish. Try again in a moment.")


def unstorable() -> SpinError:
    return InvalidInput(
        "A value cannot be stored: a text with a NUL or half of a surrogate pair in it, or a number out of range."
    )


def meaning(error: exc.DBAPIError) -> Exception:
    """The error of Spin's tree that stands for `error`; `error` itself where only a mistake in the code explains it."""
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error, error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return _of_postgresql(error, state)
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return silent()
    return error


def _of_sqlite(error: exc.DBAPIError, original: sqlite3.Error) -> Exception:
    # Result codes: https://www.sqlite.org/rescode.html; the low byte is the primary one.
    match getattr(original, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return busy()
        case sqlite3.SQLITE_CONSTRAINT:
            return _broken()
        case sqlite3.SQLITE_FULL:
            return Unavailable("The store's disk is full: nothing was changed. Make room and try again.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Failed("The store's file is damaged or is no store at all. Restore a backup.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_PERM:
            return Failed("The store's file cannot be read or written. Look at its permissions and its disk.")
    return error


def _of_postgresql(error: exc.DBAPIError, state: str) -> Exception:
    # SQLSTATE: PostgreSQL's manual, appendix A; the first two characters are the class.
    if state in ("40001", "40P01"):
        return Conflict("Somebody else changed the same thing at the same moment. Try again.")
    if state == "55P03":
        return busy()
    match state[:2]:
        case "22":
            return unstorable()
        case "23":
            return _broken()
        case "08" | "53" | "57":
            return silent()
        case "28" | "3D" | "42" if state in ("28000", "28P01", "3D000", "42501"):
            return Failed(
                "The database does not let Spin in. Look at the user, the password and the database in the store's URL."
            )
    return error


def _broken() -> SpinError:
    return Conflict("What this refers to does not exist, or exists no longer.")

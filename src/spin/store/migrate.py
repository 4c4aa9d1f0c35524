"""Brings a store's schema to this version's, inside the transaction that the caller has opened.

The caller holds the store's write lock, so of several processes that start at once one migrates and the others find it done.
"""

from __future__ import annotations

from sqlalchemy import Connection, column, inspect, select, table

NEWEST = "0007"
"""The last step in `migrations/versions`."""
_VERSIONS = table("alembic_version", column("version_num"))
"""Where Alembic notes how far it has come."""


def upgrade(connection: Connection) -> None:
    """Run the steps that are missing. Raises Failed where a newer Spin has been here, or something else."""
    if inspect(connection).has_table(_VERSIONS.name) and connection.scalars(select(_VERSIONS.c.version_num)).all() == [NEWEST]:
        return
    from spin.store import migration  # noqa: PLC0415 - brings Alembic: a seventh of what starting takes, and hardly ever needed

    migration.run(connection)

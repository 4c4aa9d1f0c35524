"""The steps that bring a store's schema to this version's, through Alembic: for `spin.store.migrate`, where some are missing."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from spin.errors import Failed

_FOLDER = Path(__file__).parent / "migrations"


def run(connection: Connection) -> None:
    """Run the steps that are missing. Raises Failed where a newer Spin has been here, or something else."""
    present = set(MigrationContext.configure(connection).get_current_heads())
    scripts = ScriptDirectory(str(_FOLDER))
    if unknown := present - {script.revision for script in scripts.walk_revisions()}:
        raise Failed(
            f"The store was written by a newer version of Spin (schema {', '.join(sorted(unknown))}). "
            "Run that version, or restore a backup made before it."
        )
    if not present and inspect(connection).get_table_names():
        raise Failed("The database holds other tables already, and none of a store. Give Spin a database of its own.")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    command.upgrade(config, "head")

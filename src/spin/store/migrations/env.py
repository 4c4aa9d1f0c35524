"""Run by Alembic for `spin.store.migrate`, which hands over the connection and owns the transaction."""

from __future__ import annotations

from alembic import context

from spin.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

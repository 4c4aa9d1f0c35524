"""The store: `spin.ports.store` on SQLite and PostgreSQL.

Tables are SQLAlchemy Core, one module of queries a noun; values that only Spin reads are canonical JSON (`codec`), secrets are
sealed (`sealing`), the schema moves by Alembic (`migrate`) when a store is opened.
"""

from spin.store.store import SqlStore, open_store, sqlite_url

__all__ = ["SqlStore", "open_store", "sqlite_url"]

"""What happened, who did it, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("kind", "actor", "verb")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("text", "cause")),
        *(sa.Column(name, sa.String) for name in ("project", "environment", "stack", "service", "container", "code")),
        sa.Column("revision", sa.Integer),
        sa.Column("caller", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_time", "events", ["time"])
    op.create_index("ix_events_of_stack", "events", ["project", "environment", "stack", "number"])
    op.create_index("ix_events_of_project", "events", ["project", "number"])

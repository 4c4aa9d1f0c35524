"""Services with a schedule: what is remembered of them, and their runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KEY = ("project", "environment", "stack")


def upgrade() -> None:
    op.create_table(
        "jobs",
        *(sa.Column(name, sa.String, nullable=False) for name in (*_KEY, "service", "times")),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("last", "version")),
        sa.PrimaryKeyConstraint(*_KEY, "service", name="pk_jobs"),
        _of_deployment("jobs"),
    )
    op.create_table(
        "runs",
        *(sa.Column(name, sa.String, nullable=False) for name in (*_KEY, "service")),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, "service", "number", name="pk_runs"),
        _of_deployment("runs"),
    )
    op.create_index("ix_runs_ended", "runs", ["ended"])


def _of_deployment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        _KEY,
        [f"deployments.{name}" for name in _KEY],
        name=f"fk_{table}_deployments",
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )

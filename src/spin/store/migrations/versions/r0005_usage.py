"""What services used, in steps of time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBERS = (
    *("samples", "containers", "cpu_avg", "cpu_min", "cpu_max", "cpu_limit", "periods", "throttled"),
    *("memory_avg", "memory_min", "memory_max", "memory_limit", "received", "sent", "read", "written"),
    *("answers_ok", "answers_redirected", "answers_refused", "answers_failed"),
)


def upgrade() -> None:
    names = ("project", "environment", "stack", "service")
    op.create_table(
        "usage",
        *(sa.Column(name, sa.String, nullable=False) for name in names),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _NUMBERS),
        sa.PrimaryKeyConstraint(*names, "start", name="pk_usage"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_start", "usage", ["start"])

"""Of the answers to visitors only those with status 5xx are counted: the others would cost every visitor time."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("answers_ok", "answers_redirected", "answers_refused"):
        op.drop_column("usage", name)
    op.alter_column("usage", "answers_failed", new_column_name="failed")

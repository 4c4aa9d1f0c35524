"""Who people and projects are on the site's filesystems. Nobody has an identity until an operator gives one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("uid", sa.Integer))
    op.add_column("users", sa.Column("gid", sa.Integer))
    op.add_column("users", sa.Column("gids", sa.Text))
    op.create_index("ix_users_uid", "users", ["uid"], unique=True)
    op.create_table(
        "accounts",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("uid", sa.Integer, nullable=False),
        sa.Column("gid", sa.Integer, nullable=False),
        sa.Column("gids", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name="pk_accounts"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_accounts_projects", ondelete="CASCADE"),
    )
    op.create_index("ix_accounts_uid", "accounts", ["uid"], unique=True)

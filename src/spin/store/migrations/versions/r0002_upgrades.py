"""Upgrades that wait for a confirmation, and the services' numbers, from which their stable addresses follow.

A deployment from before has no upgrade under way; its services get their numbers with its next revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("upgrade", sa.Text))
    op.add_column("deployments", sa.Column("numbers", sa.Text, nullable=False, server_default="[[]]"))

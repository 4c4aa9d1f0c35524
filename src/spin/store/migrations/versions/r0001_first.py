"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_KEY = ["project", "environment", "stack"]


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("operator", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.String),
        sa.Column("created", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("secret_hash", sa.String, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("expires", _MOMENT),
        sa.Column("last_used", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_api_keys_users", ondelete="CASCADE"),
    )
    op.create_index("ix_api_keys_user", "api_keys", ["user"])
    op.create_table(
        "projects",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_projects"),
    )
    op.create_table(
        "members",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("project", "user", name="pk_members"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_members_projects", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_members_users", ondelete="CASCADE"),
    )
    op.create_index("ix_members_user", "members", ["user"])
    op.create_table(
        "deployments",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("stack", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("goal", sa.String, nullable=False),
        sa.Column("wishes", sa.Text, nullable=False),
        sa.Column("remove_volumes", sa.Boolean, nullable=False),
        sa.Column("created", _MOMENT),
        sa.Column("changed", _MOMENT),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_deployments"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_deployments_projects"),
        sa.UniqueConstraint("environment", "stack", name="uq_deployments_environment_stack"),
    )
    op.create_table(
        "revisions",
        *_deployment_key(),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, "number", name="pk_revisions"),
        _of_deployment("revisions"),
    )
    op.create_table(
        "statuses",
        *_deployment_key(),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_statuses"),
        _of_deployment("statuses"),
    )
    op.create_table(
        "secrets",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("newest", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("project", "environment", "name", name="pk_secrets"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_secrets_projects"),
    )
    op.create_table(
        "secret_versions",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("project", "environment", "name", "version", name="pk_secret_versions"),
        sa.ForeignKeyConstraint(
            ["project", "environment", "name"],
            ["secrets.project", "secrets.environment", "secrets.name"],
            name="fk_secret_versions_secrets",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )


def _deployment_key() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in _KEY]


def _of_deployment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        _KEY,
        [f"deployments.{name}" for name in _KEY],
        name=f"fk_{table}_deployments",
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )

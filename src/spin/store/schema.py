"""The tables. `migrations` makes them; a test holds the two together.

Tenancy: whatever belongs to a project carries the project in its primary key, and children point at all of their parent's key,
so that no query can reach another project's rows by a shared name.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides. SQLite keeps no time zone, so UTC is stored there without one.

    Raises ValueError for a datetime without a time zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


users = Table(
    "users",
    metadata,
    Column("name", String, primary_key=True),
    Column("operator", Boolean, nullable=False),
    Column("password_hash", String),
    Column("created", UtcDateTime, nullable=False),
    Column("uid", Integer, unique=True, index=True),  # with gid and gids a spin.model.principal.Identity; all three or none
    Column("gid", Integer),
    Column("gids", Text),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("secret_hash", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("last_used", UtcDateTime),
)

projects = Table(
    "projects",
    metadata,
    Column("name", String, primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("project", ForeignKey("projects.name", ondelete="CASCADE"), primary_key=True),
    Column("user", ForeignKey("users.name", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String, nullable=False),
)

# Collaboration accounts. A uid is one account's, or one user's (the repository looks at both tables).
accounts = Table(
    "accounts",
    metadata,
    Column("project", ForeignKey("projects.name", ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("uid", Integer, nullable=False, unique=True, index=True),
    Column("gid", Integer, nullable=False),
    Column("gids", Text, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("project", ForeignKey("projects.name"), primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("goal", String, nullable=False),
    Column("wishes", Text, nullable=False),
    Column("remove_volumes", Boolean, nullable=False),
    Column("created", UtcDateTime),
    Column("changed", UtcDateTime),
    Column("upgrade", Text),  # the unconfirmed spin.model.revision.Upgrade
    Column("numbers", Text, nullable=False, server_default="[[]]"),
    UniqueConstraint("environment", "stack"),  # a stack's name is unique in its environment, over all projects
)


def _of_deployment() -> ForeignKeyConstraint:
    """Deferred to the commit, so that a deployment and its first revision can be written in either order."""
    key = ["project", "environment", "stack"]
    return ForeignKeyConstraint(
        key, [f"deployments.{name}" for name in key], ondelete="CASCADE", deferrable=True, initially="DEFERRED"
    )


revisions = Table(
    "revisions",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("document", Text, nullable=False),  # the whole spin.model.revision.Revision
    _of_deployment(),
)

statuses = Table(
    "statuses",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("document", Text, nullable=False),  # the whole spin.model.status.DeploymentStatus
    _of_deployment(),
)

# `last` remembers the newest number also of a run that is forgotten: a number, and so a container's name, never means another run.
jobs = Table(
    "jobs",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("service", String, primary_key=True),
    Column("times", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("last", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    _of_deployment(),
)

runs = Table(
    "runs",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("service", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("ended", UtcDateTime, index=True),  # None while it is under way
    Column("document", Text, nullable=False),  # the whole spin.model.run.Run
    _of_deployment(),
)

# `secrets` remembers the newest number also of a secret that was removed: a number never comes to mean another value.
secrets = Table(
    "secrets",
    metadata,
    Column("project", ForeignKey("projects.name"), primary_key=True),
    Column("environment", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("newest", Integer, nullable=False),
)

secret_versions = Table(
    "secret_versions",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("author", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["project", "environment", "name"], ["secrets.project", "secrets.environment", "secrets.name"], ondelete="CASCADE"
    ),
)

# What happened. No reference to anything: what is told of a stack stays when the stack is gone.
events = Table(
    "events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time", UtcDateTime, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("actor", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("cause", Text, nullable=False),
    Column("project", String),
    Column("environment", String),
    Column("stack", String),
    Column("service", String),
    Column("container", String),
    Column("revision", Integer),
    Column("code", String),
    Column("caller", Text),  # the spin.model.event.Caller
    Index("ix_events_of_stack", "project", "environment", "stack", "number"),
    Index("ix_events_of_project", "project", "number"),
    sqlite_autoincrement=True,  # a number is not given out again, so that followers miss nothing
)

# What services used, a row for a service and step of time. No reference to anything: it is forgotten by age.
usage = Table(
    "usage",
    metadata,
    Column("project", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("stack", String, primary_key=True),
    Column("service", String, primary_key=True),
    Column("start", UtcDateTime, primary_key=True, index=True),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            *("samples", "containers", "cpu_avg", "cpu_min", "cpu_max", "cpu_limit", "periods", "throttled"),
            *("memory_avg", "memory_min", "memory_max", "memory_limit", "received", "sent", "read", "written"),
            "failed",
        )
    ),
    sqlite_with_rowid=False,  # the key is most of a row, and is not stored twice
)

# Facts about the store itself: by now the sealed text that tells whether a key is the right one.
facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

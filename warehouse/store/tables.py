"""The tables as the statements know them. `migrations` makes them, and says what differs between the two databases."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcColumn(TypeDecorator[datetime]):
    """A time in UTC: PostgreSQL's `timestamptz`; in SQLite a text whose order is the order of time."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's own type."""
        own: TypeEngine[Any] = DateTime(timezone=True) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(own)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """A moment as it is given to the database."""
        return value if value is None or dialect.name == "postgresql" else moment_text(value)

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """A moment as it comes from the database."""
        return datetime.fromisoformat(value) if isinstance(value, str) else value and value.astimezone(UTC)


def present() -> datetime:
    """Now, to the millisecond: as exact as a SQLite file has it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def moment_text(moment: datetime) -> str:
    """As SQLite has it."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="milliseconds")


metadata = MetaData()
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text))
events = Table(
    "events",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("id", Text),
    Column("agent", Text),
    Column("epoch", Text),
    Column("sequence", BigInteger),
    Column("location", Text),
    Column("verdict", Text),
    Column("captured", UtcColumn),
    Column("received", UtcColumn),
    Column("alert", Text),
    Column("payload", Text),
)
latest = Table(
    "latest",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("received", UtcColumn),
    Column("payload", Text),
)
latest_verdict: ColumnElement[str] = literal_column("latest.verdict")
"""The verdict of a state in `latest`: a column that the database makes of the message."""
models = Table(
    "models",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("received", UtcColumn),
    Column("payload", Text),
)
offers = Table(
    "offers",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("at", UtcColumn),
    Column("by", Text),
    Column("agent", Text),
    Column("sha256", Text),
    Column("title", Text),
    Column("former_sha256", Text),
    Column("former_title", Text),
    Column("answer", Text),
)
agent_beside: ColumnElement[str] = events.c.agent + ""
"""The agent of an event where its location, epoch or alert is given too: hidden from the column's index, or SQLite goes
through all of the agent's events instead of those few."""
pictures = Table(
    "pictures",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("event", Text),
    Column("size", BigInteger),
    Column("agent", Text),
    Column("location", Text),
    Column("file", Text),
    Column("received", UtcColumn),
)
epochs = Table(
    "epochs",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("agent", Text),
    Column("epoch", Text),
    Column("highest", BigInteger),
    Column("missing", BigInteger),
    Column("asked", Integer),
    Column("asked_to", BigInteger),
    Column("ask_at", Float),
    Column("contiguous_to", BigInteger),
    Column("present", Integer),
    Column("forgotten", Integer),
)
ranges = Table(
    "ranges",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger),
)
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("received", UtcColumn),
    Column("topic", Text),
    Column("reason", Text),
    Column("payload", LargeBinary),
    Column("epoch", Text),
    Column("sequence", BigInteger),
)
targets = Table(
    "targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done", BigInteger),
    Column("holder", Text),
    Column("held_until", Float),
)
deliveries = Table(
    "deliveries",
    metadata,
    Column("target", Text, ForeignKey("targets.name"), primary_key=True),
    Column("event", BigInteger, primary_key=True),
    Column("location", Text),
    Column("tries", Integer),
    Column("due", Float),
    Column("aside", Integer),
    Column("reason", Text),
    Column("agent", Text),
    Column("received", UtcColumn),
    Column("payload", Text),
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("id", Text),
    Column("location", Text),
    Column("body", LargeBinary),
    Column("tries", Integer),
    Column("due", Float),
)
alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent", Text),
    Column("location", Text),
    Column("status", Text),
    Column("verdict", Text),
    Column("opened", UtcColumn),
    Column("last", BigInteger),
    Column("payload", Text),
)
comments = Table(
    "comments",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("id", Text),
    Column("alert", Text),
    Column("at", UtcColumn),
    Column("by", Text),
    Column("text", Text),
)
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("scopes", Text),
    Column("digest", Text),
    Column("made", UtcColumn),
    Column("expires", UtcColumn),
    Column("revoked", UtcColumn),
)
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("at", UtcColumn),
    Column("actor", Text),
    Column("address", Text),
    Column("action", Text),
    Column("subject", Text),
    Column("detail", Text),
)
changes = Table(
    "changes",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("kind", Text),
    Column("agent", Text),
    Column("subject", Text),
)
users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("role", Text),
    Column("password", Text),
    Column("language", Text),
    Column("made", UtcColumn),
    Column("issuer", Text, default=""),
    Column("subject", Text, default=""),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("user_id", Text),
    Column("made", UtcColumn),
    Column("seen", UtcColumn),
)
signin_failures = Table(
    "signin_failures",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", BigInteger),
    Column("last", UtcColumn),
)
coverage_days = Table(
    "coverage_days",
    metadata,
    Column("day", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("total", BigInteger),
    Column("verified", BigInteger),
)
tasks = Table(
    "tasks",
    metadata,
    Column("alert", Text, primary_key=True),
    Column("taken_by", Text),
    Column("taken", UtcColumn),
    Column("done_by", Text),
    Column("done", UtcColumn),
    Column("taken_from", Text, default=""),
    Column("known_by", Text, default=""),
)
sent_once = Table(
    "sent_once",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("at", UtcColumn),
    Column("status", BigInteger),
)
labels = Table(
    "labels",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("id", Text),
    Column("event", Text),
    Column("alert", Text),
    Column("agent", Text),
    Column("location", Text),
    Column("camera", Text),
    Column("captured", UtcColumn),
    Column("verdict", Text),
    Column("expected", Text),
    Column("seen", Text),
    Column("confidence", Float),
    Column("truth", Text),
    Column("sku", Text),
    Column("name", Text),
    Column("note", Text),
    Column("by", Text),
    Column("at", UtcColumn),
)

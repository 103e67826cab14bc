"""What goes out: how far each target is, and what waits for one of them."""

from alembic import op

revision = "0002"
down_revision = "0001"
SERVER = (
    """CREATE TABLE targets (
    name text PRIMARY KEY,
    done bigint NOT NULL,
    holder text NOT NULL DEFAULT '',
    held_until double precision NOT NULL DEFAULT 0
)""",
    """CREATE TABLE deliveries (
    target text NOT NULL REFERENCES targets (name) ON DELETE CASCADE,
    event bigint NOT NULL,
    location text NOT NULL,
    tries integer NOT NULL,
    due double precision NOT NULL,
    aside integer NOT NULL DEFAULT 0,
    reason text NOT NULL,
    agent text NOT NULL,
    received timestamptz NOT NULL,
    payload text NOT NULL,
    PRIMARY KEY (target, event)
)""",
    "CREATE INDEX deliveries_by_location ON deliveries (target, location, event)",
)
_FILE_TYPES = (("bigint", "INTEGER"), ("double precision", "REAL"), ("timestamptz", "text"), (" text", " TEXT"))


def upgrade() -> None:
    """Make the two tables."""
    connection = op.get_bind()
    for statement in SERVER:
        connection.exec_driver_sql(statement if connection.dialect.name == "postgresql" else _for_file(statement))


def downgrade() -> None:
    """What waits for a target would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")


def _for_file(statement: str) -> str:
    for of_server, of_file in _FILE_TYPES:
        statement = statement.replace(of_server, of_file)
    return statement.replace(" integer", " INTEGER") + (" STRICT" if statement.startswith("CREATE TABLE") else "")

"""The table of how much of the warehouse was covered, day by day: the past is in no state."""

from sqlalchemy import Connection

from warehouse.store.migrations.quoting import quoted
from warehouse.store.migrations.teaching import adding

_TABLE = """CREATE TABLE coverage_days (
    day text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('aisle', 'family')),
    name text NOT NULL,
    total bigint NOT NULL,
    verified bigint NOT NULL,
    PRIMARY KEY (day, kind, name)
)"""
COVERAGE_GRANTS = ("GRANT SELECT, INSERT, UPDATE ON coverage_days TO {role}",)
"""What the page needs: it notes each day's, and the same day's again."""


def on_file(connection: Connection) -> None:
    """Add it to a SQLite file."""
    connection.exec_driver_sql(_TABLE.replace(" text", " TEXT").replace("bigint", "INTEGER") + " STRICT, WITHOUT ROWID")


def on_server(connection: Connection) -> None:
    """Add it to a server's database, and give the page's roles of earlier versions what they need of it."""
    connection.exec_driver_sql(_TABLE)
    for role in adding(connection, "comments"):
        for part in COVERAGE_GRANTS:
            connection.exec_driver_sql(part.format(role=quoted(role)).replace("%", "%%"))

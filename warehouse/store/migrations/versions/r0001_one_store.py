"""The tables of one store: a SQLite file of an earlier version is brought over, a server's are made."""

from alembic import context, op

from warehouse.store.migrations.server import statements
from warehouse.store.migrations.sqlite_file import bring_over

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, or bring them over."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        bring_over(connection, str(context.config.attributes["pictures"]))
        return
    for statement in statements(connection):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    """There is nothing before it.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

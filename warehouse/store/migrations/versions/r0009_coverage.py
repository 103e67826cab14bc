"""How much of the warehouse was covered, day by day."""

from alembic import op

from warehouse.store.migrations import coverage

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        coverage.on_file(connection)
    else:
        coverage.on_server(connection)


def downgrade() -> None:
    """What the past was like would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

"""Acknowledgements are told of as they come."""

from alembic import op

from warehouse.store.migrations import acknowledged

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the trigger."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        acknowledged.on_file(connection)
    else:
        acknowledged.on_server(connection)


def downgrade() -> None:
    """No version goes back.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

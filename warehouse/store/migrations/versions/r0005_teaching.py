"""What people say that pictures show."""

from alembic import op

from warehouse.store.migrations import teaching

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        teaching.on_file(connection)
    else:
        teaching.on_server(connection)


def downgrade() -> None:
    """What people have said would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

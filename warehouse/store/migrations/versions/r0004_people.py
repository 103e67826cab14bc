"""What the page stands on: users, their sessions, and what they do about alerts."""

from alembic import op

from warehouse.store.migrations import people

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        people.on_file(connection)
    else:
        people.on_server(connection)


def downgrade() -> None:
    """Users, and who does what, would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

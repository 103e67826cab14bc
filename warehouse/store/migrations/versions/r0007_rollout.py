"""Which models agents have, and which bundles were offered to them."""

from alembic import op

from warehouse.store.migrations import rollout

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        rollout.on_file(connection)
    else:
        rollout.on_server(connection)


def downgrade() -> None:
    """Who offered what would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

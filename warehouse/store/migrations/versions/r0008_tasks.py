"""Of a task: from whom it was taken over, and whom the agent has confirmed as knowing of it."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns, empty for what was noted before."""
    for name in ("taken_from", "known_by"):
        op.get_bind().exec_driver_sql(f"ALTER TABLE tasks ADD COLUMN {name} text NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Who took what from whom would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

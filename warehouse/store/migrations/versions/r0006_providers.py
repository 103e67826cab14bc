"""Users who come in by a sign-in provider: which provider, and its own name for them."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, empty for those who come in by a password."""
    connection = op.get_bind()
    for name in ("issuer", "subject"):
        connection.exec_driver_sql(f"ALTER TABLE users ADD COLUMN {name} text NOT NULL DEFAULT ''")
    connection.exec_driver_sql("CREATE UNIQUE INDEX users_by_subject ON users (issuer, subject) WHERE issuer <> ''")


def downgrade() -> None:
    """Who is who at the provider would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

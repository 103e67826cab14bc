"""What the API stands on: alerts, comments, tokens, the audit log, and what tells of changes."""

from alembic import op
from sqlalchemy import select

from warehouse.store.alerts import note_alerts
from warehouse.store.migrations import console
from warehouse.store.tables import events

revision = "0003"
down_revision = "0002"
PORTION = 500


def upgrade() -> None:
    """Make the tables, and find the alerts in the events that are stored."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        console.on_file(connection)
    else:
        console.on_server(connection)
    after = 0
    while True:
        chosen = select(events.c.number, events.c.id).where(events.c.alert.is_not(None), events.c.number > after)
        rows = connection.execute(chosen.order_by(events.c.number).limit(PORTION)).all()
        if not rows:
            return
        note_alerts(connection, [id_ for _, id_ in rows])
        after = rows[-1][0]


def downgrade() -> None:
    """Comments and the audit log would be lost.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("restore a backup")

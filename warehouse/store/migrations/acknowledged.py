"""What tells that an alert was acknowledged: only a state says so, and states aren't noted (console.py)."""

from sqlalchemy import Connection

from warehouse.store.migrations.console import KEPT

_ALERT = "json_extract({row}.payload, '$.data.alert{field}')"
_FILE_TRIGGER = f"""CREATE TRIGGER alert_acknowledged AFTER UPDATE ON latest
WHEN CASE WHEN NEW.kind = 'state' AND json_valid(NEW.payload) AND json_valid(OLD.payload)
    THEN {_ALERT.format(row="NEW", field=".status")} = 'acknowledged'
        AND {_ALERT.format(row="NEW", field="")} IS NOT {_ALERT.format(row="OLD", field="")} END
BEGIN
    INSERT INTO changes (kind, agent, subject) VALUES (NEW.kind, NEW.agent, NEW.subject);
    DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - {KEPT};
END"""  # noqa: S608 - constants
_SERVER = (
    """CREATE FUNCTION kardus_acknowledged(payload text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN CASE WHEN payload::json #>> '{data,alert,status}' = 'acknowledged' THEN payload::json #>> '{data,alert}' END;
EXCEPTION WHEN others THEN
    RETURN NULL;  -- JSON that PostgreSQL refuses
END $$""",
    """CREATE TRIGGER alert_acknowledged AFTER UPDATE ON latest FOR EACH ROW
    WHEN (NEW.kind = 'state' AND NEW.payload LIKE '%acknowledged%'
        AND kardus_acknowledged(NEW.payload) <> coalesce(kardus_acknowledged(OLD.payload), ''))
    EXECUTE FUNCTION kardus_note_change()""",
)


def on_file(connection: Connection) -> None:
    """Add the trigger to a SQLite file."""
    connection.exec_driver_sql(_FILE_TRIGGER)


def on_server(connection: Connection) -> None:
    """Add the trigger to a server's database."""
    for statement in _SERVER:
        connection.exec_driver_sql(statement.replace("%", "%%"))

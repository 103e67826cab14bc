"""The tables of the API, and what tells it of changes: triggers, so that no receiver has to be asked.

A trigger notes in `changes` what isn't an event and yet changes what is shown: an agent's status, a camera's health, a
coverage, a comment, a state that was cleared. States that only renew aren't noted. On PostgreSQL they and new events
are notified on the channel `kardus_changes`; the functions run as the tables' owner, so that roles that were made
before need no other rights.
"""

from sqlalchemy import Connection, text

from warehouse.store.migrations.quoting import quoted

KEPT = 10_000
"""So many changes are kept for who was away."""
_NAMES = {"bigint": "INTEGER", "timestamptz": "TEXT", "text": "TEXT"}
_TABLES = (
    """CREATE TABLE alerts (
    id text PRIMARY KEY,
    agent text NOT NULL,
    location text NOT NULL,
    status text NOT NULL,
    verdict text NOT NULL,
    opened timestamptz NOT NULL,
    last bigint NOT NULL,
    payload text NOT NULL
)""",
    """CREATE TABLE comments (
    number {serial},
    id text NOT NULL UNIQUE,
    alert text NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    text text NOT NULL
)""",
    """CREATE TABLE tokens (
    id text PRIMARY KEY,
    name text NOT NULL,
    scopes text NOT NULL,
    digest text NOT NULL,
    made timestamptz NOT NULL,
    expires timestamptz,
    revoked timestamptz
)""",
    """CREATE TABLE audit (
    number {serial},
    at timestamptz NOT NULL,
    actor text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL
)""",
    """CREATE TABLE changes (
    number {serial},
    kind text NOT NULL,
    agent text NOT NULL,
    subject text NOT NULL
)""",
)
_INDEXES = (
    "CREATE INDEX alerts_by_opening ON alerts (opened, id)",
    "CREATE INDEX alerts_by_status ON alerts (status, opened, id)",
    "CREATE INDEX alerts_by_location ON alerts (location, opened, id)",
    "CREATE INDEX comments_by_alert ON comments (alert, number)",
    "CREATE INDEX audit_by_time ON audit (at)",
    "CREATE INDEX events_by_verdict ON events (verdict, number)",
    "CREATE INDEX events_by_agent ON events (agent, number)",
    "CREATE INDEX events_by_time ON events (received, number)",
    "CREATE INDEX pictures_by_time ON pictures (received)",
)
_PICTURES = (
    "ALTER TABLE pictures ADD COLUMN received timestamptz",
    "UPDATE pictures SET received = (SELECT events.received FROM events WHERE events.id = pictures.event)",
)
_FILE_LATEST = (
    """ALTER TABLE latest ADD COLUMN verdict TEXT GENERATED ALWAYS AS (
    CASE WHEN kind = 'state' AND json_valid(payload)
        THEN json_extract(payload, '$.data.verdict') END)""",
    """ALTER TABLE latest ADD COLUMN void_at REAL GENERATED ALWAYS AS (
    CASE WHEN kind = 'state' AND json_valid(payload)
        THEN julianday(json_extract(payload, '$.data.valid_until')) END)""",
    "CREATE INDEX latest_by_subject ON latest (kind, subject, agent)",
    "CREATE INDEX latest_by_verdict ON latest (kind, verdict, subject)",
    "CREATE INDEX latest_by_end ON latest (kind, void_at)",
)
_FILE_TRIGGERS = tuple(
    f"""CREATE TRIGGER {name} AFTER {what} WHEN {when} BEGIN
    INSERT INTO changes (kind, agent, subject) VALUES ({said});
    DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - {KEPT};
END"""  # noqa: S608 - constants
    for name, what, when, said in (
        ("latest_added", "INSERT ON latest", "NEW.kind <> 'state'", "NEW.kind, NEW.agent, NEW.subject"),
        ("latest_changed", "UPDATE ON latest", "NEW.kind <> 'state'", "NEW.kind, NEW.agent, NEW.subject"),
        ("latest_cleared", "DELETE ON latest", "true", "OLD.kind, OLD.agent, OLD.subject"),
        ("comment_added", "INSERT ON comments", "true", "'comment', '', NEW.alert"),
    )
)
_SERVER_FUNCTIONS = (
    """CREATE FUNCTION kardus_verdict(payload text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN payload::json #>> '{data,verdict}';
EXCEPTION WHEN others THEN
    RETURN NULL;  -- JSON that PostgreSQL refuses, as with \\u0000 in it
END $$""",
    """CREATE FUNCTION kardus_void_at(payload text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog SET timezone = 'UTC' AS $$
BEGIN
    RETURN extract(epoch FROM (payload::json #>> '{data,valid_until}')::timestamptz) / 86400 + 2440587.5;
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$""",
    """CREATE FUNCTION kardus_note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    noted bigint;
BEGIN
    PERFORM 1 FROM meta WHERE key = 'last_number' FOR UPDATE;  -- numbers in the order of commits
    IF TG_TABLE_NAME = 'comments' THEN
        INSERT INTO changes (kind, agent, subject) VALUES ('comment', '', NEW.alert)
        RETURNING number INTO noted;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO changes (kind, agent, subject) VALUES (OLD.kind, OLD.agent, OLD.subject)
        RETURNING number INTO noted;
    ELSE
        INSERT INTO changes (kind, agent, subject) VALUES (NEW.kind, NEW.agent, NEW.subject)
        RETURNING number INTO noted;
    END IF;
    DELETE FROM changes WHERE number <= noted - {kept};
    PERFORM pg_notify('kardus_changes', '');
    RETURN NULL;
END $$""",
    """CREATE FUNCTION kardus_tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_notify('kardus_changes', '');
    RETURN NULL;
END $$""",
)
_SERVER_LATEST = (
    """ALTER TABLE latest
    ADD COLUMN verdict text GENERATED ALWAYS AS (CASE WHEN kind = 'state' THEN kardus_verdict(payload) END) STORED,
    ADD COLUMN void_at double precision
        GENERATED ALWAYS AS (CASE WHEN kind = 'state' THEN kardus_void_at(payload) END) STORED""",
    "CREATE INDEX latest_by_subject ON latest (kind, subject, agent)",
    "CREATE INDEX latest_by_verdict ON latest (kind, verdict, subject)",
)
_SERVER_TRIGGERS = (
    """CREATE TRIGGER latest_changed AFTER INSERT OR UPDATE ON latest FOR EACH ROW WHEN (NEW.kind <> 'state')
    EXECUTE FUNCTION kardus_note_change()""",
    "CREATE TRIGGER latest_cleared AFTER DELETE ON latest FOR EACH ROW EXECUTE FUNCTION kardus_note_change()",
    "CREATE TRIGGER comment_added AFTER INSERT ON comments FOR EACH ROW EXECUTE FUNCTION kardus_note_change()",
    "CREATE TRIGGER events_added AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION kardus_tell()",
)
RECEIVER_GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON alerts TO {role}",
    "GRANT SELECT, DELETE ON audit TO {role}",
    "GRANT SELECT ON comments, tokens, changes TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON targets, deliveries TO {role}",
)
"""What a receiver needs of these tables: it keeps the alerts, and deletes what the audit log no longer keeps."""
CONSOLE_GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON alembic_version, locations, meta, epochs, events, latest, ranges TO {role}",
    "GRANT SELECT ON pictures, dead_letters, webhooks, alerts, comments, tokens, audit, changes TO {role}",
    "GRANT SELECT ON targets, deliveries TO {role}",
    "GRANT INSERT ON comments, audit TO {role}",
    "GRANT USAGE ON SEQUENCE comments_number_seq, audit_number_seq TO {role}",
)
"""What the API needs: it reads, changes and deletes nothing, and adds to two tables, and to labels (teaching.py)."""


def on_file(connection: Connection) -> None:
    """Add them to a SQLite file."""
    for statement in _TABLES:
        made = statement.replace("{serial}", "INTEGER PRIMARY KEY AUTOINCREMENT")
        for name, of_file in _NAMES.items():
            made = made.replace(f" {name}", f" {of_file}")
        connection.exec_driver_sql(made.replace("TEXT TEXT", "text TEXT") + " STRICT")
    for statement in (*_PICTURES, *_INDEXES, *_FILE_LATEST, *_FILE_TRIGGERS):
        connection.exec_driver_sql(statement.replace("timestamptz", "TEXT"))


def on_server(connection: Connection) -> None:
    """Add them to a server's database, and give the receivers' roles what they need of them."""
    schema = quoted(str(connection.execute(text("SELECT current_schema()")).scalar_one()))
    serial = "bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY"
    tables = [statement.replace("{serial}", serial) for statement in _TABLES]
    functions = [part.replace("{schema}", schema).replace("{kept}", str(KEPT)) for part in _SERVER_FUNCTIONS]
    closed = ["REVOKE ALL ON FUNCTION kardus_note_change() FROM PUBLIC"]
    made = (*tables, *_PICTURES, *_INDEXES, *functions, *closed, *_SERVER_LATEST, *_SERVER_TRIGGERS)
    for statement in made:
        connection.exec_driver_sql(statement.replace("%", "%%"))
    for role in _receivers(connection):
        for part in RECEIVER_GRANTS:
            connection.exec_driver_sql(part.format(role=quoted(role)).replace("%", "%%"))


def _receivers(connection: Connection) -> list[str]:
    """The roles, beside the owner, that may add events."""
    found = connection.execute(
        text(
            "SELECT DISTINCT grantee FROM information_schema.role_table_grants "
            "WHERE table_schema = current_schema() AND table_name = 'events' AND privilege_type = 'INSERT' "
            "AND grantee NOT IN ('PUBLIC', (SELECT tableowner FROM pg_tables "
            "WHERE schemaname = current_schema() AND tablename = 'events'))"
        )
    )
    return [str(role) for (role,) in found]

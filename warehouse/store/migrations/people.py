"""The tables of the page: who may come in, who is in, and what people do about alerts."""

from sqlalchemy import Connection, text

from warehouse.store.migrations.quoting import quoted

_TABLES = (
    """CREATE TABLE users (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    role text NOT NULL,
    password text NOT NULL,
    language text NOT NULL,
    made timestamptz NOT NULL
)""",
    """CREATE TABLE sessions (
    digest text PRIMARY KEY,
    user_id text NOT NULL,
    made timestamptz NOT NULL,
    seen timestamptz NOT NULL
)""",
    """CREATE TABLE signin_failures (
    name text PRIMARY KEY,
    failures bigint NOT NULL,
    last timestamptz NOT NULL
)""",
    """CREATE TABLE tasks (
    alert text PRIMARY KEY,
    taken_by text NOT NULL,
    taken timestamptz,
    done_by text NOT NULL,
    done timestamptz
)""",
    """CREATE TABLE sent_once (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    at timestamptz NOT NULL,
    status bigint NOT NULL
)""",
)
_INDEXES = (
    "CREATE INDEX sessions_by_user ON sessions (user_id)",
    "CREATE INDEX sent_once_by_time ON sent_once (at)",
)
_FILE_TYPES = (("bigint", "INTEGER"), ("timestamptz", "TEXT"), (" text", " TEXT"))
_FILE_TRIGGERS = tuple(
    f"""CREATE TRIGGER task_{name} AFTER {what} ON tasks BEGIN
    INSERT INTO changes (kind, agent, subject) VALUES ('task', '', NEW.alert);
END"""  # noqa: S608 - constants
    for name, what in (("added", "INSERT"), ("changed", "UPDATE"))
)
_SERVER_TRIGGERS = (
    """CREATE FUNCTION kardus_note_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM 1 FROM meta WHERE key = 'last_number' FOR UPDATE;  -- numbers in the order of commits
    INSERT INTO changes (kind, agent, subject) VALUES ('task', '', NEW.alert);
    PERFORM pg_notify('kardus_changes', '');
    RETURN NULL;
END $$""",
    "REVOKE ALL ON FUNCTION kardus_note_task() FROM PUBLIC",
    """CREATE TRIGGER task_changed AFTER INSERT OR UPDATE ON tasks FOR EACH ROW
    EXECUTE FUNCTION kardus_note_task()""",
)
PAGE_GRANTS = ("GRANT SELECT, INSERT, UPDATE, DELETE ON users, sessions, signin_failures, tasks, sent_once TO {role}",)
"""What the server needs of these tables: people sign in, and administrators add people."""


def on_file(connection: Connection) -> None:
    """Add them to a SQLite file."""
    for statement in (*_TABLES, *_INDEXES):
        made = statement
        for of_server, of_file in _FILE_TYPES:
            made = made.replace(of_server, of_file)
        connection.exec_driver_sql(made + (" STRICT" if made.startswith("CREATE TABLE") else ""))
    for statement in _FILE_TRIGGERS:
        connection.exec_driver_sql(statement)


def on_server(connection: Connection) -> None:
    """Add them to a server's database, and give the API's roles of earlier versions what they need of them."""
    schema = quoted(str(connection.execute(text("SELECT current_schema()")).scalar_one()))
    for statement in (*_TABLES, *_INDEXES, *_SERVER_TRIGGERS):
        connection.exec_driver_sql(statement.replace("{schema}", schema).replace("%", "%%"))
    for role in _servers(connection):
        for part in PAGE_GRANTS:
            connection.exec_driver_sql(part.format(role=quoted(role)).replace("%", "%%"))


def _servers(connection: Connection) -> list[str]:
    """The roles, beside the owner, that may comment."""
    found = connection.execute(
        text(
            "SELECT DISTINCT grantee FROM information_schema.role_table_grants "
            "WHERE table_schema = current_schema() AND table_name = 'comments' AND privilege_type = 'INSERT' "
            "AND grantee NOT IN ('PUBLIC', (SELECT tableowner FROM pg_tables "
            "WHERE schemaname = current_schema() AND tablename = 'comments'))"
        )
    )
    return [str(role) for (role,) in found]

"""Brings the tables up to date: Alembic's revisions, in the transaction of the caller."""

from sqlalchemy import Connection, inspect, text

from kardus.support.systemd import notify

HEAD = "0010"
"""The revision that this version of Kardus works with."""
KNOWN = frozenset(f"{number:04}" for number in range(1, int(HEAD) + 1))
"""Every revision up to it: a database at any of them can be brought up to date."""
FILE_VERSION = 3
"""`user_version` of a SQLite file, by which earlier versions of Kardus see that they can't use it."""
NEWER = "written by a newer version of Kardus: update this one"
_SCRIPTS = "warehouse.store:migrations"


def revision_of(connection: Connection) -> str:
    """The revision of the tables; empty: none of Alembic's."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def is_current(connection: Connection) -> bool:
    """Whether nothing has to be done."""
    return revision_of(connection) == HEAD


def is_newer(connection: Connection) -> bool:
    """Whether the tables are those of a version that this one doesn't know."""
    if revision_of(connection) not in ("", *KNOWN):
        return True
    if connection.dialect.name == "postgresql":
        return False
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one()) > FILE_VERSION


def upgrade(connection: Connection, pictures: str) -> None:
    """Bring the tables to `HEAD`, in the caller's transaction.

    Args:
        connection: in a transaction.
        pictures: the place to which pictures in rows are brought, of a database of an earlier version.
    """
    from alembic.config import Config  # noqa: PLC0415 - takes a tenth of a second, and is seldom needed
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    notify("STATUS=brings the database up to date: a large one takes minutes")
    config = Config(attributes={"pictures": pictures})
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, scripts, fn=lambda found, _: scripts._upgrade_revs(HEAD, found)) as environment:  # noqa: SLF001 - as Alembic's own command does
        environment.configure(connection=connection)
        environment.run_migrations()
    notify("STATUS=the database is up to date")

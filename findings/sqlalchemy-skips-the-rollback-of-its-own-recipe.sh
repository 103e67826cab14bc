#!/bin/sh
# What: SQLAlchemy's `skip_autocommit_rollback` leaves a failed transaction open where SQLite's transactions are begun
#   by hand (isolation_level = None and an event that sends BEGIN, the recipe of its own documentation).
# Versions: SQLAlchemy 2.1.9 (2026), Python's sqlite3.
# Expected: only a ROLLBACK that can't do anything is left out; a transaction that was begun is rolled back.
# Observed: the dialect takes isolation_level = None for "there is no transaction" and sends no ROLLBACK. The connection
#   goes back to the pool with the failed transaction in it: another connection finds the file locked, and the next
#   BEGIN on this one fails. Without the option both work.
# Why it matters: a receiver that saves a round trip by the option stops storing after its first failed transaction.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check SQLAlchemy==2.1.9
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sqlite3

import sqlalchemy
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError


def engine_with(*, skip: bool) -> sqlalchemy.Engine:
    engine = create_engine(f"sqlite:///skip-{skip}.db", skip_autocommit_rollback=skip)

    @event.listens_for(engine, "connect")
    def by_hand(connection, _) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def after_a_failure(*, skip: bool) -> tuple[str, str]:
    engine = engine_with(skip=skip)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE stock (sku)")
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO stock VALUES ('A-1')")
            raise ValueError("the application refuses it")
    except ValueError:
        pass
    other = sqlite3.connect(f"skip-{skip}.db", timeout=0)
    try:
        other.execute("INSERT INTO stock VALUES ('B-2')")
        beside = "another connection writes"
    except sqlite3.OperationalError as error:
        beside = f"another connection: {error}"
    other.close()
    try:
        with engine.begin() as connection:
            after = f"{connection.exec_driver_sql('SELECT count(*) FROM stock').scalar()} rows"
    except OperationalError as error:
        after = str(error.orig)
    return beside, after


plain, skipping = after_a_failure(skip=False), after_a_failure(skip=True)
print(f"SQLAlchemy {sqlalchemy.__version__}, SQLite {sqlite3.sqlite_version}")
print(f"without the option: {plain}")
print(f"with skip_autocommit_rollback: {skipping}")
wanted = ("another connection: database is locked", "cannot start a transaction within a transaction")
if plain != ("another connection writes", "0 rows") or skipping != wanted:
    raise SystemExit("changed: a failed transaction no longer stays open")
PYTHON

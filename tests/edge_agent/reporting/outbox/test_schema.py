"""A file of any earlier form is brought to today's, with everything in it; one of a later form is refused."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from edge_agent.reporting.outbox import schema
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.support.errors import KardusError

EVENT = json.dumps({"data": {"sequence": 41}}).encode()


@pytest.fixture
def first_form(tmp_path: Path) -> Path:
    """An outbox as the first version wrote it."""
    path = tmp_path / "o.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        schema._to_1(database)
        database.execute("CREATE INDEX messages_by_topic ON messages (topic) WHERE kind = 'state'")
        database.execute("PRAGMA user_version = 1")
        rows = [
            ("event", "k/locations/A-01/events", EVENT, 0),
            ("event", "k/locations/A-01/evidence/7", b"\xff\xd8 a picture", 0),
            ("state", "k/locations/A-01/state", b"s", 1),
            ("event", "k/coverage", b"no json \xff", 1),
        ]
        database.executemany("INSERT INTO messages (kind, topic, payload, retain) VALUES (?, ?, ?, ?)", rows)
        database.execute("INSERT INTO states VALUES ('A-01', 's')")
        database.execute("INSERT INTO retained VALUES ('k/locations/A-01/state')")
        database.execute("UPDATE meta SET value = '41' WHERE key = 'sequence'")
    return path


def test_everything_of_the_first_form_is_there(first_form: Path) -> None:
    outbox = Outbox(first_form)
    messages = [stored.message for stored in outbox.pending(10)]
    assert [(m.kind, m.location, m.sequence, m.retain) for m in messages] == [
        ("event", "A-01", 41, False),
        ("evidence", "A-01", None, False),
        ("state", "A-01", None, True),
        ("event", "", None, True),
    ]
    assert messages[0].payload == EVENT
    assert (outbox.last_sequence, outbox.states(), outbox.retained()) == (
        41,
        {"A-01": "s"},
        {"k/locations/A-01/state"},
    )
    assert outbox.losses.damaged == 0
    steps = outbox._call(lambda database: database.execute("SELECT version FROM migrations").fetchall())
    assert steps == [(2,)]
    outbox.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(first_form: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(database: sqlite3.Connection) -> None:
        schema._to_2(database)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (schema._to_1, failing))
        with pytest.raises(Exception, match="disk I/O error"):
            Outbox(first_form)
    outbox = Outbox(first_form)
    assert outbox.depth().total == 4
    outbox.close()


def test_a_later_form_is_refused_and_left_alone_whatever_its_folder_is_called(tmp_path: Path) -> None:
    path = tmp_path / "damaged" / "o.sqlite"
    path.parent.mkdir()
    Outbox(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(KardusError, match="newer version of Kardus"):
        Outbox(path)
    assert [file.name for file in path.parent.iterdir()] == ["o.sqlite"]

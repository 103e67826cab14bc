"""Whatever a message says of itself must agree: with its topic, with what is stored, with the calendar."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from kardus.contract.messages import CameraHealth, Coverage
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import DataError
from tests.brokers import Mosquitto
from tests.publishers import SITE, Message, Publisher, jpeg
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import publish, receiving, wait_for
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.receiver import Receiver, ReceiverSettings
from warehouse.store import writer
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader
from warehouse.store.records import DeadLetter, EventMessage
from warehouse.store.tables import events

FAR = (datetime.now(UTC) + timedelta(days=2)).isoformat()
NEAR = (datetime.now(UTC) + timedelta(hours=23)).isoformat()


def _changed(message: Message, *path: str, value: Any) -> Message:
    """The message with another value at this path of keys."""
    topic, content = message[0], json.loads(message[1])
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return topic, json.dumps(content).encode()


def _letters(database: Database) -> list[tuple[str, str]]:
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT topic, reason FROM dead_letters ORDER BY number")
        return [(topic, reason) for topic, reason in rows]


def _every_kind() -> list[Message]:
    """A message of every kind that the receiver reads."""
    box, now = Publisher(), datetime.now(UTC)
    health = CameraHealth(camera="cam", status="ok", since=now)
    coverage = Coverage(since=now, until=now, total=0, verified=0, locations=())
    writer = box._writer
    lost = box.lost([(1, 2)])
    return [box.event(), box.state("A-1"), box.online(), writer.health(health), writer.coverage(coverage), lost]


@pytest.mark.parametrize("message", _every_kind(), ids=lambda message: message[0].rsplit("/", 1)[-1])
def test_source_type_subject_and_time_of_every_message_agree_with_its_topic_and_the_calendar(message: Message) -> None:
    assert not isinstance(parse_message(SITE, *message), DeadLetter)
    base = message[0].split("/agents/")[0] + "/agents/box"
    without_slash = parse_message(SITE, *_changed(message, "source", value=base))
    assert not isinstance(without_slash, DeadLetter)
    assert not isinstance(parse_message(SITE, *_changed(message, "time", value=NEAR)), DeadLetter)
    for path, value in (
        ("source", f"/{base}-2"),
        ("source", f"/{base}/more"),
        ("source", "/kardus/v1/elsewhere/agents/box"),
        ("type", "kardus.agent.model.v1"),
        ("subject", "Z-9"),
        ("time", FAR),
    ):
        found = parse_message(SITE, *_changed(message, path, value=value))
        assert isinstance(found, DeadLetter), path
        assert found.sequence is None or path != "source"  # it isn't acknowledged as an event of the topic's agent
        assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("key", "value"),
    [("captured", FAR), ("alert", {"id": "a", "status": "open", "opened": FAR})],
    ids=["captured", "alert"],
)
def test_a_time_more_than_a_day_ahead_is_refused_wherever_it_stands(key: str, value: Any, database: Database) -> None:
    box = Publisher()
    found = parse_message(SITE, *_changed(box.event(), "data", key, value=value))
    assert isinstance(found, DeadLetter)
    assert key in found.reason
    assert "more than a day ahead: correct the agent's clock" in found.reason
    written = write(database, _changed(box.sent[0], "data", key, value=value))
    assert (written.events, written.dead_letters) == (0, 1)
    assert StoreReader(database).missing_events() == []  # it is kept: the agent needn't send it for ever


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
@pytest.mark.parametrize("message", _every_kind(), ids=lambda message: message[0].rsplit("/", 1)[-1])
def test_a_time_that_no_clock_shows_is_refused_wherever_it_stands(message: Message, moment: str) -> None:
    data = json.loads(message[1])["data"]
    keys = [("data", key) for key in ("captured", "since", "until", "last_verified") if key in data]
    for path in (("time",), *keys):
        found = parse_message(SITE, *_changed(message, *path, value=moment))
        assert isinstance(found, DeadLetter), path
        assert f"{path[-1]}: " in found.reason
        assert "is before 1970: correct the agent's clock" in found.reason
        never_set = _changed(message, *path, value="1970-01-01T00:00:00Z")
        assert not isinstance(parse_message(SITE, *never_set), DeadLetter), "a clock that was never set begins there"


def test_a_state_may_hold_beyond_tomorrow_and_was_not_verified_then() -> None:
    state = Publisher().state("A-1")
    assert not isinstance(parse_message(SITE, *_changed(state, "data", "valid_until", value=FAR)), DeadLetter)
    assert isinstance(parse_message(SITE, *_changed(state, "data", "last_verified", value=FAR)), DeadLetter)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "2126-03-02T00:00:00Z"])
def test_a_state_holds_two_days_at_most(moment: str) -> None:
    found = parse_message(SITE, *_changed(Publisher().state("A-1"), "data", "valid_until", value=moment))
    assert isinstance(found, DeadLetter)
    assert found.reason.startswith("valid_until: ")
    assert "is more than 2 days ahead: correct the agent's clock" in found.reason


def test_a_clock_of_the_receiver_that_was_set_back_makes_no_message_one_of_the_future(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path, box = tmp_path / "k.sqlite", Publisher()
    database = open_database(path, make=True)
    write(database, box.event())
    with database.writing() as connection:  # stored before the clock was set back by five days
        connection.execute(update(events).values(received=datetime.now(UTC) + timedelta(days=5)))
    database.close()
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, [_changed(box.event(), "data", "captured", value=FAR)])
        wait_for(lambda: receiver.status().events == 1)


def test_a_file_that_another_program_holds_is_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    path = tmp_path / "k.sqlite"
    open_database(path, make=True).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match=r"k\.sqlite: can't be written"):
            Receiver(BrokerSettings(), ReceiverSettings(SITE, path))


def test_what_is_sent_again_and_again_is_kept_aside_once(database: Database) -> None:
    box = Publisher()
    event = box.event()
    forged = _changed(event, "data", "reason", value="forged")
    written = write(database, event, forged, forged, box.picture("A-1", "e", b"no picture"))
    assert written.dead_letters == 3
    assert write(database, forged, box.picture("A-1", "e", b"no picture")).dead_letters == 2
    assert StoreReader(database).dead_letter_count() == 2


@pytest.mark.parametrize("is_stored", [False, True])
def test_however_often_an_event_is_made_up_it_is_one_of_those_that_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, is_stored: bool
) -> None:
    monkeypatch.setattr(writer, "MAX_DEAD_LETTERS", 5)
    box = Publisher()
    event = box.event()
    write(database, *[event] if is_stored else [])
    made_up = [_changed(event, "data", "confidence", value=number) for number in range(40)]
    damaged = [_changed(message, "data", "verdict", value=f"v{n}") for n, message in enumerate(made_up)]
    written = write(database, *damaged[:20])
    assert written.dead_letters == 20
    assert written.covered == {("box", box.epoch)}, "each is acknowledged, or the agent sends it for ever"
    assert [write(database, message).dead_letters for message in damaged[20:]] == [1] * 20
    assert StoreReader(database).dead_letter_count() == 5 + (not is_stored)
    with database.reading() as connection:
        positions = connection.exec_driver_sql("SELECT payload FROM dead_letters WHERE sequence = 1").fetchall()
    assert positions == ([] if is_stored else [(damaged[0][1],)])
    assert write(database, event).events == (not is_stored), "the event itself is stored when it comes"


def test_a_reason_that_cites_a_whole_message_is_cut(database: Database) -> None:
    write(database, _changed(Publisher().event(), "source", value="x" * 100_000))
    ((_, reason),) = _letters(database)
    assert len(reason) == writer.MAX_REASON


def test_a_topic_without_an_agent_is_set_aside() -> None:
    assert isinstance(parse_message(SITE, f"kardus/v1/{SITE}/agents//status", b""), DeadLetter)


def test_the_same_event_written_otherwise_is_known(database: Database) -> None:
    box = Publisher()
    topic, payload = box.event()
    other_order = json.dumps(dict(reversed(json.loads(payload).items())), indent=1).encode()
    assert write(database, (topic, payload)).events == 1
    written = write(database, (topic, other_order), (topic, payload))
    assert (written.duplicates, written.dead_letters) == (2, 0)
    assert written.covered == {("box", box.epoch)}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("data", "reason"), "forged", "other content"),
        (("data", "sequence"), 2, "other content"),
        (("data", "epoch"), "other", "other content"),
        (("id",), "another", "is number 1 of its epoch"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)
def test_what_is_stored_under_a_name_is_not_replaced_and_what_differs_is_kept_aside(
    path: tuple[str, ...], value: Any, reason: str, database: Database, *, at_once: bool
) -> None:
    box = Publisher()
    event = box.event()
    other = _changed(event, *path, value=value)
    if not at_once:
        write(database, event)
    written = write(database, *[event, other] if at_once else [other])
    assert (written.events, written.duplicates, written.dead_letters) == (int(at_once), 0, 1)
    assert (("box", box.epoch) in written.covered) == at_once  # the other one isn't acknowledged
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT payload FROM events").fetchall() == [(event[1].decode(),)]
        assert connection.exec_driver_sql("SELECT payload FROM dead_letters").fetchall() == [(other[1],)]
        assert connection.exec_driver_sql("SELECT count(*) FROM epochs").fetchone() == (1,)
    ((topic, found),) = _letters(database)
    assert topic == event[0]
    assert reason in found
    assert StoreReader(database).missing_events() == []


def test_an_event_id_of_another_agent_is_not_its_own(database: Database) -> None:
    box, other = Publisher("box"), Publisher("other")
    event = box.event()
    foreign = _changed(other.event(), "id", value=box.ids[0])
    write(database, event)
    written = write(database, foreign)
    assert (written.events, written.duplicates, written.dead_letters, written.covered) == (0, 0, 1, set())
    assert _letters(database)[0][1] == "id: agent 'box' has an event with this id"


@pytest.mark.parametrize("first", ["event", "picture"])
def test_a_picture_belongs_to_the_agent_and_location_of_its_event(first: str, database: Database) -> None:
    box, other = Publisher("box"), Publisher("other")
    event = box.event("A-1")
    own = box.picture("A-1", box.ids[0])
    foreign = [other.picture("A-1", box.ids[0], jpeg(1)), box.picture("A-2", box.ids[0], jpeg(2))]
    if first == "event":
        written = write(database, event, *foreign, own)
        assert (written.pictures, written.dead_letters) == (1, 2)
    else:
        assert write(database, foreign[0]).pictures == 1
        written = write(database, event, own)
        assert (written.pictures, written.dead_letters) == (1, 1)
        assert write(database, event, own).pictures == 0
    assert StoreReader(database).picture(box.ids[0]) == own[1]
    topic, reason = _letters(database)[0]
    assert topic == foreign[0][0]
    assert reason == "the picture's event is of agent 'box', location 'A-1'"


def test_an_event_that_came_damaged_first_is_stored_when_it_comes_whole(database: Database) -> None:
    box = Publisher()
    topic, payload = box.event()
    damaged = _changed((topic, payload), "data", "verdict", value="none of them")
    assert write(database, damaged).dead_letters == 1
    assert isinstance(parse_message(SITE, topic, payload), EventMessage)
    assert write(database, (topic, payload)).events == 1
    assert write(database, (topic, payload)).duplicates == 1

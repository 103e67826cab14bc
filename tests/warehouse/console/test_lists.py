"""Every list: filters, parts that are joined by cursors, ETags, and errors that a program can read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.errors import DataError
from tests.publishers import Publisher
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from tests.warehouse.receiving.making import write
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.pages.content.coverage_now import coverage_now
from warehouse.console.pages.content.places import CodePatterns, place_of
from warehouse.console.pages.content.tiles import tiles_of
from warehouse.console.pages.content.unannounced_changes import UnannouncedChanges
from warehouse.console.pages.routes.racks import rack_summaries
from warehouse.console.problems import ProblemError
from warehouse.console.unicode_normalisation import composed_query
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.store.database import Database
from warehouse.store.reader import StoreReader
from warehouse.store.tables import latest


def items(hall: Hall, path: str) -> list[dict[str, Any]]:
    """What a list has, which must be one part."""
    found = hall.client.get(path)
    assert found.status_code == 200, found.text
    assert found.json()["next"] is None
    return list(found.json()["items"])


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/events", 33),
        ("/events?location=A-02-1", 4),
        ("/events?agent=other", 3),
        ("/events?verdict=mismatch", 1),
        ("/events?alert=alert-1", 1),
        ("/events?after=30&order=oldest", 3),
        ("/events?agent=other&location=A-02-1", 1),
        ("/locations", 4),
        ("/locations?prefix=A-0", 3),
        ("/locations?location=B-01/1", 1),
        ("/locations?verdict=mismatch", 1),
        ("/locations?agent=other", 2),
        ("/states", 5),
        ("/states?verdict=match", 3),
        ("/states?verdict=stale", 1),
        ("/states?location=A-02-1", 2),
        ("/alerts", 1),
        ("/alerts?status=open&location=A-02-1&agent=box", 1),
        ("/alerts?status=resolved", 0),
        ("/evidence", 1),
        ("/evidence?location=A-01-1", 0),
        ("/agents", 2),
        ("/cameras?agent=box", 0),
        ("/coverage", 0),
    ],
)
def test_a_filter_finds_what_it_says(shared_hall: Hall, path: str, wanted: int) -> None:
    assert len(items(shared_hall, path)) == wanted


SAME = ["Caf\u00e9", "Cafe\u0301"]
"""The same name in NFC, as it is stored, and in NFD."""


@pytest.mark.parametrize(
    "path",
    [
        "/events?location={}-1",
        "/events?location={}-1&agent={}",
        "/events?agent={}",
        "/locations?prefix={}",
        "/locations?location={}-1&a=b%26c",
        "/states?agent={}",
        "/alerts?agent={}",
        "/agents/{}",
    ],
)
def test_a_name_is_found_however_unicode_spells_it(hall: Hall, path: str) -> None:
    box, place = Publisher(SAME[0]), f"{SAME[0]}-1"
    alert = Alert(id="alert-2", status="open", opened=datetime.now(UTC))
    write(hall.console.database, box.event(place, Verdict.EMPTY, alert), box.state(place), box.online())
    for spelt in SAME:
        for written in (quote, str):
            found = hall.client.get(path.format(*[written(spelt)] * 2))
            assert found.status_code == 200, (spelt, found.text)
            assert len(found.json().get("items", [found])) == 1, (spelt, found.text)


@pytest.mark.parametrize("query", [b"", b"a=1", b"a=%FF", b"%E9=1", b"\xff=1"])
def test_a_query_that_has_nothing_to_compose_stays(query: bytes) -> None:
    assert composed_query(query) == query


@pytest.mark.parametrize("query", ["a=b%26c=d&&e&=f", "a+b=c%20d%3D", "%E2%80%8B=%2B+"])
def test_a_query_that_is_composed_says_what_it_said(query: str) -> None:
    again = composed_query(query.encode()).decode()
    assert parse_qsl(again, keep_blank_values=True) == parse_qsl(query, keep_blank_values=True)


@pytest.mark.parametrize("path", ["/events?order=newest", "/events?order=oldest", "/locations?a=1", "/states?a=1"])
def test_parts_joined_by_cursors_are_the_whole_whatever_is_added_meanwhile(hall: Hall, path: str) -> None:
    whole = items(hall, f"{path}&limit=500")
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        part = hall.client.get(f"{path}&limit=2{cursor}").json()
        found += part["items"]
        if part["next"] is None:
            break
        assert len(part["items"]) == 2
        cursor = f"&cursor={part['next']}"
        if len(found) == 2 and "newest" in path:
            write(hall.console.database, hall.box.event("A-02-1"))
    assert found == whole


def test_locations_tell_what_agents_contradict_each_other_about(shared_hall: Hall) -> None:
    by_code = {item["location"]: item for item in items(shared_hall, "/locations")}
    assert {code: item["conflict"] for code, item in by_code.items()} == {
        "A-01-1": False,
        "A-02-1": True,
        "A-03-1": False,
        "B-01/1": False,
    }
    assert {state["agent"] for state in by_code["A-02-1"]["states"]} == {"box", "other"}


def test_a_state_whose_time_is_over_is_stale_wherever_it_is_asked_for(hall: Hall) -> None:
    gone = Publisher("gone")
    gone._writer = type(gone._writer)(gone.topics, gone._writer._model, 0.001)
    write(hall.console.database, gone.state("C-01-1"))
    (found,) = items(hall, "/states?agent=gone")
    assert (found["state"]["verdict"], found["state"]["reason"]) == ("stale", "no word from the agent since")
    assert [one["agent"] for one in items(hall, "/states?verdict=stale")] == ["box", "gone"]
    assert "gone" not in [one["agent"] for one in items(hall, "/states?verdict=match")]
    assert [one["location"] for one in items(hall, "/locations?verdict=stale")] == ["A-03-1", "C-01-1"]


@pytest.mark.parametrize(("days", "verdict"), [(-1, "stale"), (1, "match"), (3, "stale"), (4000, "stale")])
def test_a_state_holds_for_so_long_wherever_it_is_shown(database: Database, days: int, verdict: str) -> None:
    """One that holds for longer than any may was stored before such were refused."""
    now = datetime.now(UTC)
    write(database, Publisher().state("C-01-1", verified=now))
    rack, unannounced = place_of("C-01-1").rack, UnannouncedChanges()
    with database.reading() as connection:
        unannounced.changed(connection, now, rack, CodePatterns())
    with database.noting() as connection:
        until = f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%S.000Z}"
        payload = json.loads(connection.scalar(select(latest.c.payload).where(latest.c.kind == "state")) or "")
        payload["data"]["valid_until"] = until
        connection.execute(update(latest).where(latest.c.kind == "state").values(payload=json.dumps(payload)))
    with database.reading() as connection:
        (summary,) = rack_summaries(connection, CodePatterns(), now)
        (tile,) = tiles_of(connection, ["C-01-1"], now).values()
        changed = unannounced.changed(connection, now + timedelta(seconds=1), rack, CodePatterns())
        ((aisle,), _) = coverage_now(connection, now, lambda _sku, seen: seen, AISLE_PATTERN)
    assert tile.verdict == verdict
    assert tile.since < now + timedelta(hours=1)
    assert summary.tones == {"good" if verdict == "match" else "dim": 1}
    assert [one.verdict for one in changed.tiles] == ["stale"] * (verdict == "stale")
    assert aisle.verified == (verdict == "match")
    client = client_of(console_over(database))
    assert client.get("/states").json()["items"][0]["state"]["verdict"] == verdict
    assert len(client.get(f"/states?verdict={verdict}").json()["items"]) == 1
    assert not client.get(f"/states?verdict={'match' if verdict == 'stale' else 'stale'}").json()["items"]


def test_times_are_those_of_storing(shared_hall: Hall) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    zone = (now - hour).isoformat().replace("+00:00", "%2B00:00")
    later = (now + hour).isoformat().replace("+00:00", "Z")
    assert len(items(shared_hall, f"/events?since={zone}")) == 33
    assert items(shared_hall, f"/events?since={later}") == []
    assert items(shared_hall, f"/events?until={zone}") == []
    assert len(items(shared_hall, f"/events?until={later}")) == 33


def test_an_alert_is_as_its_last_event_says(hall: Hall) -> None:
    over = hall.alert.model_copy(update={"status": "resolved"})
    write(hall.console.database, hall.box.event("A-02-1", Verdict.MATCH, over))
    found = hall.client.get("/alerts/alert-1").json()
    assert (found["status"], found["event"]["event"]["verdict"]) == ("resolved", "match")
    assert items(hall, "/alerts?status=open") == []
    assert hall.client.get("/alerts/alert-2").status_code == 404


def test_one_of_each_by_its_name(shared_hall: Hall) -> None:
    event = shared_hall.client.get(f"/events/{shared_hall.box.ids[4]}").json()
    assert (event["number"], event["agent"], event["event"]["sequence"]) == (5, "box", 5)
    assert shared_hall.client.get("/agents/box").json()["status"]["status"] == "online"
    for path in ("/events/x", "/agents/x", "/coverage/box"):
        assert shared_hall.client.get(path).status_code == 404


def test_what_has_not_changed_is_not_sent_again(hall: Hall) -> None:
    first = hall.client.get("/events?limit=3")
    tag = first.headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        again = hall.client.get("/events?limit=3", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    write(hall.console.database, hall.box.event())
    changed = hall.client.get("/events?limit=3", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/events?cursor=AAAA", 400, "cursor: not one that this list gave"),
        (f"/events?cursor={cursor_of('events-oldest', [1])}", 400, "cursor: not one"),
        (f"/events?cursor={cursor_of('events-newest', [2**63])}", 400, "cursor: not one"),
        (f"/alerts?cursor={cursor_of('alerts', [2**62, 'a'])}", 400, "cursor: not one"),
        ("/events?limit=0", 422, "query.limit"),
        ("/events?limit=501", 422, "query.limit"),
        ("/events?verdict=red", 422, "query.verdict"),
        ("/events?since=yesterday", 422, "query.since"),
        ("/events?since=0001-01-01T00:00:00%2B14:00", 422, "query.since"),
        ("/nothing", 404, "nothing at this address"),
        ("/events/", 404, ""),
    ],
)
def test_an_error_is_a_problem_in_one_line(shared_hall: Hall, path: str, status: int, words: str) -> None:
    found = shared_hall.client.get(path)
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    told = found.json()
    assert told["status"] == status
    assert words in told["detail"]
    assert "\n" not in told["detail"]
    assert "Traceback" not in found.text


def test_a_nul_in_a_filter_is_no_server_error(shared_hall: Hall) -> None:
    for path in ("/events?location=%00", "/states?prefix=%00", "/alerts/%00", "/agents/%00", "/evidence?event=%00"):
        assert shared_hall.client.get(path).status_code in (200, 404, 422), path


@given(st.text(max_size=200) | st.binary(max_size=50).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_taken_for_a_cursor_that_was_not_given(text: str) -> None:
    try:
        key = key_from_cursor("events-newest", text, (int,))
    except ProblemError as error:
        assert error.status == 400  # noqa: PT017 - which of the two it is depends on the text
    else:
        assert key is not None
        assert isinstance(key[0], int)


@given(
    st.integers(-(2**63) + 1, 2**63 - 1), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
)
def test_a_cursor_comes_back_as_it_went(number: int, text: str) -> None:
    assert key_from_cursor("k", cursor_of("k", [number, text]), (int, str)) == [number, text]


def test_a_number_that_no_event_has_had_is_of_a_database_that_this_one_is_an_older_copy_of(shared_hall: Hall) -> None:
    reader = StoreReader(shared_hall.console.database)
    last = reader.events()[-1].number
    asked: dict[str, str | int] = {"order": "oldest", "after": last}
    assert shared_hall.client.get("/events", params=asked).json()["items"] == reader.events(last) == []
    told = shared_hall.client.get("/events", params=asked | {"after": last + 1})
    assert (told.status_code, f"go on with after={last}" in told.json()["detail"]) == (409, True)
    with pytest.raises(DataError, match=f"go on with {last}"):
        reader.events(last + 1)

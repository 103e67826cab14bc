"""What is stored by another process is followed live, from where a client left off, and by nobody who is too slow."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import delete

from kardus.support.identifiers import uuid7
from tests.patience import PATIENCE_S
from tests.publishers import Publisher
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import BASE, Follower, listening
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.identity.tokens import list_tokens, make_token, revoke_token
from warehouse.console.live.changes import FeedPosition, newest
from warehouse.console.live.streams import QUEUED
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.tables import changes, events


@contextmanager
def following(hall: Hall, last: str = "") -> Iterator[Follower]:
    """A client of a server that runs."""
    token = make_token(hall.console.database, "follower", ["read"], None)
    with listening(hall.console) as port:
        follower = Follower(port, token, last)
        try:
            yield follower
        finally:
            follower.close()


@contextmanager
def elsewhere(hall: Hall) -> Iterator[Database]:
    """The same database, opened once more, as by a receiver."""
    with open_database(hall.console.database.address, make=False) as database:
        yield database


def test_what_another_process_stores_is_told_at_once(hall: Hall) -> None:
    with following(hall) as follower, elsewhere(hall) as database:
        assert follower.answer.status == 200
        ready = follower.next()
        assert ready is not None
        assert ready.event == "ready"
        write(database, hall.box.event("A-01-1"))
        told = follower.next()
        assert told is not None
        assert (told.event, json.loads(told.data)["event"]["location"]) == ("event", "A-01-1")
        write(database, hall.box.online(), hall.box.state("A-01-1"))
        told = follower.next()
        assert told is not None
        assert (told.event, json.loads(told.data)) == ("agent", {"agent": "box", "subject": ""})
        topic, _ = hall.box.state("A-03-1")
        write(database, (topic, b""))
        cleared = follower.next()
        assert cleared is not None
        assert (cleared.event, json.loads(cleared.data)) == ("state", {"agent": "box", "subject": "A-03-1"})
        hall.client.post("/alerts/alert-1/comments", json={"text": "on my way"})
        comment = follower.next()
        assert comment is not None
        assert (comment.event, json.loads(comment.data)["subject"]) == ("comment", "alert-1")


def test_what_was_missed_comes_first_once_and_in_order(hall: Hall) -> None:
    with hall.console.reading() as connection:
        place = newest(connection)
    number = 2 * 200 + 7  # more than two portions
    write(hall.console.database, *hall.box.events(number), hall.box.online())
    with following(hall, str(place)) as follower, elsewhere(hall) as database:
        assert (ready := follower.next()) is not None
        assert (ready.event, ready.id) == ("ready", str(place))
        write(database, hall.box.event("A-09-1"))
        told = [follower.next() for _ in range(number + 2)]
        numbers = [json.loads(one.data)["number"] for one in told if one is not None and one.event == "event"]
        assert numbers == list(range(place.event + 1, place.event + number + 2))
        assert [one.event for one in told if one is not None].count("agent") == 1


@pytest.mark.parametrize("last", ["9999999.0", "0.99999", "0.0"])
def test_whoever_can_not_be_given_everything_is_told_to_begin_anew(hall: Hall, last: str) -> None:
    if last == "0.0":  # its changes were deleted since
        with hall.console.database.writing() as connection:
            connection.execute(changes.delete())
            connection.execute(changes.insert().values(number=50, kind="status", agent="box", subject=""))
    with following(hall, last) as follower:
        assert (first := follower.next()) is not None
        assert first.event == "reset"


@pytest.mark.parametrize("last", ["x", "1", "1.", "-1.0", "1.2.3", f"{2**63}.0"])
def test_a_place_that_is_none_is_refused(hall: Hall, last: str) -> None:
    found = hall.client.get("/changes", headers={"Last-Event-ID": last})
    assert (found.status_code, "Last-Event-ID" in found.json()["detail"]) == (400, True)


def test_a_slow_client_is_dropped_and_the_others_go_on(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.SEND_S", 5.0)
    token = make_token(hall.console.database, "slow", ["read"], None)
    with following(hall) as follower, socket.socket() as slow, elsewhere(hall) as database:
        port = follower._connection.port
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET {BASE}/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        wait_for(lambda: hall.console.feed.number == 2)
        assert follower.next() is not None
        sent = 0
        while hall.console.feed.number == 2:
            assert sent < 20 * QUEUED, "it is still served"
            write(database, *hall.box.events(100))
            sent += 100
            for _ in range(100):
                assert (told := follower.next()) is not None
                assert told.event == "event"


def test_a_revoked_token_ends_its_stream(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.BEAT_S", 0.05)
    with following(hall) as follower:
        assert follower.next() is not None
        for token in list_tokens(hall.console.database):
            revoke_token(hall.console.database, token.id)
        assert follower.next() is None


def test_a_revoked_token_ends_a_stream_that_is_never_quiet(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.BEAT_S", 0.5)
    is_over = threading.Event()
    with following(hall) as follower, elsewhere(hall) as database:

        def keep_busy() -> None:
            while not is_over.wait(0.05):
                write(database, hall.box.event("A-09-1"))

        busy = threading.Thread(target=keep_busy)
        busy.start()
        try:
            assert follower.next() is not None
            for token in list_tokens(hall.console.database):
                revoke_token(hall.console.database, token.id)
            until_s = time.monotonic() + PATIENCE_S
            while follower.next() is not None:
                assert time.monotonic() < until_s, "it is still told"
        finally:
            is_over.set()
            busy.join()


def test_the_servers_end_ends_its_streams(hall: Hall) -> None:
    with following(hall) as follower:
        assert follower.next() is not None
        hall.console.feed.end_streams()
        assert follower.next() is None
        again = hall.client.get("/changes")
        assert (again.status_code, again.headers["retry-after"]) == (503, "5")


def test_nobody_is_read_for_where_nobody_follows(hall: Hall) -> None:
    with following(hall) as follower:
        assert follower.next() is not None
        follower._connection.sock.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: not hall.console.feed.number, PATIENCE_S)
        write(hall.console.database, Publisher(epoch=uuid7()).event())
        wait_for(lambda: hall.console.feed._place is None, PATIENCE_S)


@example("9" * 5000 + ".1")
@example("1." + "9" * 5000)
@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,20}\.[0-9]{1,20}", fullmatch=True))
def test_a_place_is_read_as_it_was_written_or_not_at_all(text: str) -> None:
    place = FeedPosition.of(text)
    if place is not None:
        assert FeedPosition.of(str(place)) == place
        assert max(place.event, place.change) < 2**63


def test_where_events_of_alerts_alone_are_kept_whoever_missed_others_begins_anew(hall: Hall) -> None:
    with hall.console.database.reading() as connection:
        place = newest(connection)
    with hall.console.database.writing() as connection:
        connection.execute(delete(events).where(events.c.alert.is_(None)))
    with following(hall, str(FeedPosition(3, place.change))) as follower:
        told = follower.next()
        assert told is not None
        assert told.event == "reset"

"""The receiver against a real broker: late, twice, malformed, lacking, shared, killed."""

import json
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from kardus.contract.commands import Resend
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError, UsageError
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S, holds
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import filled
from warehouse.receiving import resend_requests
from warehouse.receiving.ack_schedule import REST_S
from warehouse.receiving.receiver import Receiver, ReceiverSettings
from warehouse.store.database import StoreError
from warehouse.store.retention import RetentionLimits

WAIT_S = PATIENCE_S
ACKS = Topics(SITE, "+").ack


def wait_for(condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not holds(condition):
        assert time.monotonic() < deadline, "not in time"


def broker_of(mosquitto: Mosquitto) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", mosquitto.port)


def publish(mosquitto: Mosquitto, messages: list[Message], *, retain: bool = False) -> None:
    with MqttClient(broker_of(mosquitto)) as connection:
        for start in range(0, len(messages), 200):
            connection.publish(messages[start : start + 200], retain=retain)


@contextmanager
def receiving(mosquitto: Mosquitto, path: Path, **more: object) -> Iterator[Receiver]:
    """A receiver that is connected."""
    settings = ReceiverSettings(SITE, path, **more)  # type: ignore[arg-type]
    with Receiver(broker_of(mosquitto), settings) as receiver:
        wait_for(lambda: receiver.status().connected)
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-{settings.name}")
        yield receiver


def stored_ids(path: Path) -> list[str]:
    with sqlite3.connect(path) as database:
        return [row[0] for row in database.execute("SELECT id FROM events ORDER BY number")]


def ack_of(mosquitto: Mosquitto, wanted: Callable[[Ack], bool]) -> Ack:
    """The `ack` on the broker, once it is as wanted."""
    found: queue.SimpleQueue[Ack] = queue.SimpleQueue()
    with MqttClient(broker_of(mosquitto), [(ACKS, 1)], lambda _, text: found.put(Ack.model_validate_json(text))):
        deadline = time.monotonic() + WAIT_S
        while not wanted(ack := found.get(timeout=WAIT_S)):
            assert time.monotonic() < deadline, ack
    return ack


def test_an_event_published_while_nobody_listens_reaches_a_receiver_started_later(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    with receiving(mosquitto, path):
        pass
    publish(mosquitto, agent.events(300))
    with receiving(mosquitto, path) as receiver:
        wait_for(lambda: receiver.status().events == 300)
        assert [e.envelope.id for e in receiver.reader.events()] == agent.ids
    assert ack_of(mosquitto, lambda ack: ack.contiguous_to == 300).ranges == ()


def test_no_thread_is_left_when_it_has_stopped(mosquitto: Mosquitto, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with receiving(mosquitto, tmp_path / "k.sqlite", keep=RetentionLimits(events=5)) as receiver:
        publish(mosquitto, Publisher().events(3))
        wait_for(lambda: receiver.status().events == 3)
        assert set(threading.enumerate()) - before
    wait_for(lambda: set(threading.enumerate()) <= before)
    receiver.stop()


def test_a_broker_killed_meanwhile_loses_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, agent.events(20))
        wait_for(lambda: receiver.status().events == 20)
        mosquitto.kill()
        wait_for(lambda: not receiver.status().connected)
        assert receiver.status().problem
        assert "another receiver" not in receiver.status().problem
        mosquitto.start()
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")  # it may have forgotten the session
        publish(mosquitto, agent.events(20))
        wait_for(lambda: receiver.status().events == 40)
    assert stored_ids(path) == agent.ids


def test_what_comes_twice_is_stored_once(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, agent.events(30) + agent.sent)
        wait_for(lambda: receiver.status().duplicates == 30)
    assert stored_ids(path) == agent.ids


def test_a_malformed_message_is_kept_aside_and_blocks_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    topic, payload = agent.event()
    odd = json.loads(agent.event()[1])
    odd["data"]["verdict"] = "a word of a newer agent"
    huge = json.loads(payload)
    huge["data"]["sequence"] = 2**70
    wrong = [b"", b"\xff\xfe", b"{", b"[" * 100_000, json.dumps(huge).encode(), json.dumps(odd).encode()]
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, [(topic, text) for text in wrong] + [(topic, payload), agent.event("A-02-1")])
        wait_for(lambda: receiver.status().events == 2)
        assert receiver.status().dead_letters == len(wrong)
        assert receiver.reader.missing_events() == []  # the newer agent's event is kept aside: it doesn't lack
    assert ack_of(mosquitto, lambda ack: ack.contiguous_to == 3).ranges == ()
    with receiving(mosquitto, path) as receiver:  # they were acknowledged: none comes again
        publish(mosquitto, [agent.event()])
        wait_for(lambda: receiver.status().events == 1)
        assert receiver.status().dead_letters == 0


def test_pictures_are_kept_within_their_limit(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    agent.events(120)
    jpeg = b"\xff\xd8" + b"x" * 20_000
    with receiving(mosquitto, path, pictures_mb=1) as receiver:
        publish(mosquitto, [agent.picture("A-01-1", event, jpeg) for event in agent.ids])
        publish(mosquitto, [agent.picture("A-01-1", "none", b"GIF89a")])
        wait_for(lambda: receiver.status().pictures == 120 and receiver.status().dead_letters == 1)
        assert receiver.reader.picture(agent.ids[0]) is None
        assert receiver.reader.picture(agent.ids[-1]) == jpeg
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT sum(size) FROM pictures").fetchone()[0] <= 2_000_000


def test_a_gap_is_asked_for_and_what_is_announced_as_lost_is_no_gap(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend_requests, "GAP_GRACE_S", 0.3)
    path, agent = tmp_path / "k.sqlite", Publisher()
    events = agent.events(12)
    asked: queue.SimpleQueue[Resend] = queue.SimpleQueue()

    def take(_: str, payload: bytes) -> None:
        asked.put(Resend.model_validate_json(payload))

    with (
        MqttClient(broker_of(mosquitto), [(agent.topics.command("resend"), 1)], take),
        receiving(mosquitto, path) as receiver,
    ):
        publish(mosquitto, [*events[:3], *events[8:10]])
        publish(mosquitto, [agent.online()], retain=True)
        request = asked.get(timeout=WAIT_S)
        assert (request.epoch, request.first, request.last) == (agent.epoch, 4, 8)
        assert ack_of(mosquitto, lambda ack: ack.contiguous_to == 3).ranges == ((9, 10),)
        publish(mosquitto, events[5:8])
        publish(mosquitto, [agent.lost([(4, 5)])], retain=True)
        request = asked.get(timeout=WAIT_S)
        while request.first < 11:
            request = asked.get(timeout=WAIT_S)
        assert (request.first, request.last) == (11, 12)  # known from the agent's status
        publish(mosquitto, events[10:])
        assert ack_of(mosquitto, lambda ack: ack.contiguous_to == 12).ranges == ()
        outbox = receiver.reader.missing_events()[0]
        assert (outbox.missing, outbox.lost) == ((), 2)


def test_an_ack_that_was_not_published_before_a_kill_is_published_at_the_next_start(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path, agent = tmp_path / "k.sqlite", Publisher()
    with receiving(mosquitto, path) as receiver:
        publish(mosquitto, agent.events(5))
        wait_for(lambda: receiver.status().events == 5)
    publish(mosquitto, [(agent.topics.ack, b"")], retain=True)  # as if it had never been said
    with receiving(mosquitto, path):
        assert ack_of(mosquitto, lambda _: True).contiguous_to == 5


def test_a_fleet_is_told_at_a_new_connection_by_the_same_hundred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not at all what another receiver of the site is for, nor less where the database can't be read just then."""
    boxes = [Publisher(f"box-{number:03}") for number in range(250)]
    path, told, now_s = filled(tmp_path / "k.sqlite", [b.event() for b in boxes]), list[str](), 1000.0
    monkeypatch.setattr("warehouse.receiving.receiver.time", SimpleNamespace(monotonic=lambda: now_s))
    own = tuple(box.topics.agent for box in boxes[20:])
    receiver = Receiver(BrokerSettings("127.0.0.1", 1), ReceiverSettings(SITE, path, agents=own))
    monkeypatch.setattr(MqttSession, "connection", 1)
    monkeypatch.setattr(receiver._session, "publish", lambda _, topic, *__, **___: told.append(topic))
    try:
        receiver._connected(1)
        with monkeypatch.context() as failing:
            failing.setattr(receiver.database, "_read", _unreadable)
            with pytest.raises(StoreError):
                receiver._acknowledge(now_s)
        counts = []
        for _ in range(4):
            receiver._acknowledge(now_s)
            counts.append(len(told))
            now_s += REST_S
    finally:
        receiver.stop()
    assert counts == [100, 200, 230, 230]
    assert sorted(told) == [box.topics.ack for box in boxes[20:]]


def _unreadable() -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("group", ["", "team"])
def test_several_receivers_share_one_database(mosquitto: Mosquitto, tmp_path: Path, group: str) -> None:
    path, agents = tmp_path / "k.sqlite", [Publisher(f"box-{n}") for n in range(3)]
    with (
        receiving(mosquitto, path, name="one", group=group) as one,
        receiving(mosquitto, path, name="two", group=group) as two,
    ):
        events = [event for agent in agents for event in agent.events(100)]
        publish(mosquitto, events)
        wait_for(lambda: one.status().events + two.status().events == 300)
        shared = 300 if group else 600
        wait_for(lambda: sum(r.status().events + r.status().duplicates for r in (one, two)) == shared)
        assert min(one.status().events, two.status().events) > 0 or not group
        assert one.reader.missing_events() == []
    assert sorted(stored_ids(path)) == sorted(id_ for agent in agents for id_ in agent.ids)


def test_receivers_split_the_agents_between_them(mosquitto: Mosquitto, tmp_path: Path) -> None:
    agents = [Publisher("box-0"), Publisher("box-1")]
    paths = [tmp_path / "0.sqlite", tmp_path / "1.sqlite"]
    with (
        receiving(mosquitto, paths[0], name="a", agents=("box-0",)) as first,
        receiving(mosquitto, paths[1], name="b", agents=("box-1",)) as second,
    ):
        publish(mosquitto, [event for agent in agents for event in agent.events(10)])
        wait_for(lambda: first.status().events == second.status().events == 10)
    assert [stored_ids(path) for path in paths] == [agent.ids for agent in agents]


def test_two_receivers_of_one_name_are_noticed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with receiving(mosquitto, path) as first, receiving(mosquitto, path) as second:
        wait_for(lambda: any("another receiver of this name" in r.status().problem for r in (first, second)))


def test_a_session_that_the_broker_says_was_taken_over_ends_the_receiver(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with receiving(mosquitto, tmp_path / "k.sqlite") as receiver:
        receiver.require_alive()
        receiver._session.taken_over = True  # Mosquitto 2.0.11 doesn't say so
        with pytest.raises(BrokerError, match="another receiver named 'receiver' has connected"):
            receiver.require_alive()


def test_a_database_of_another_site_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    Receiver(BrokerSettings(), ReceiverSettings("here", path)).stop()
    with pytest.raises(UsageError, match="holds the events of site 'here', not 'there'"):
        Receiver(BrokerSettings(), ReceiverSettings("there", path))


def test_while_another_program_holds_the_file_nothing_is_claimed_and_then_all_is_stored(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.1)
    path, agent = tmp_path / "k.sqlite", Publisher()
    with receiving(mosquitto, path) as receiver:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        publish(mosquitto, agent.events(10))
        wait_for(lambda: "nothing can be stored" in receiver.status().problem)
        assert receiver.status().events == 0
        holder.execute("ROLLBACK")
        holder.close()
        wait_for(lambda: receiver.status().events == 10)
        wait_for(lambda: receiver.status().problem == "")


CRASHING = """
import os, sys, threading
from pathlib import Path
from kardus.mqtt.settings import BrokerSettings
from warehouse.receiving.receiver import Receiver, ReceiverSettings
left = [int(sys.argv[4])]
def die(written):  # after the commit, before the broker is told
    left[0] -= written.events
    if left[0] <= 0:
        os.kill(os.getpid(), 9)
settings = ReceiverSettings(sys.argv[3], Path(sys.argv[2]))
with Receiver(BrokerSettings("127.0.0.1", int(sys.argv[1])), settings, on_stored=die):
    threading.Event().wait()
"""


def test_a_receiver_killed_between_commit_and_acknowledgement_stores_nothing_twice(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path, agent, rng = tmp_path / "k.sqlite", Publisher(), random.Random(3)
    with receiving(mosquitto, path):
        pass
    for _ in range(4):
        publish(mosquitto, agent.events(225))  # more than it lives for, however many a transaction takes
        command = [sys.executable, "-c", CRASHING, str(mosquitto.port), str(path), SITE, str(rng.randrange(1, 150))]
        assert subprocess.run(command, check=False, timeout=WAIT_S).returncode == -signal.SIGKILL
    with receiving(mosquitto, path) as receiver:
        wait_for(lambda: len(stored_ids(path)) == 900)
        wait_for(lambda: receiver.status().duplicates > 0)  # what was stored and not acknowledged comes again
    assert stored_ids(path) == agent.ids
    assert ack_of(mosquitto, lambda ack: ack.contiguous_to == 900).ranges == ()


def test_acknowledgements_that_the_broker_refuses_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "acl").write_text("topic readwrite #\ntopic deny kardus/v1/+/agents/+/ack\n")
    mosquitto = Mosquitto(tmp_path / "broker", f"acl_file {tmp_path}/acl\n")
    mosquitto.start()
    try:
        with Receiver(broker_of(mosquitto), ReceiverSettings(SITE, tmp_path / "k.sqlite")) as receiver:
            mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
            publish(mosquitto, Publisher().events(2))
            wait_for(lambda: "refuses acknowledgements or commands (Not authorized)" in receiver.status().problem)
        assert "check the user's right to publish under agents/+/ack" in caplog.text
    finally:
        mosquitto.kill()

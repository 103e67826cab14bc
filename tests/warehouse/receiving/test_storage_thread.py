"""A message that a database can't hold holds up no other."""

from pathlib import Path

import pytest

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.mqtt.incoming import Incoming
from kardus.support.identifiers import uuid7
from tests.brokers import Mosquitto
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from tests.warehouse.receiving.test_identity import _changed
from tests.warehouse.receiving.test_receiver import publish, receiving, wait_for
from warehouse.receiving.storage_thread import StorageThread
from warehouse.store.database import Database

LONG = "".join(uuid7() for _ in range(5000))
"""Longer than what PostgreSQL indexes (2,704 bytes), and not to be compressed to less."""


def _too_much() -> list[Message]:
    """Messages that fit the contract, each with something that an index, or a column, doesn't hold."""
    box = Publisher()
    alert = Alert(id=LONG, status="open", opened=box.finding("A", Verdict.MATCH).captured)
    return [
        _changed(box.event(), "id", value=LONG),
        box.event("A-2", Verdict.MISMATCH, alert),
        _changed(box.online(), "data", "sequence", value=10**30),
    ]


def test_what_cannot_be_indexed_or_counted_is_set_aside_and_the_rest_is_stored(
    mosquitto: Mosquitto, address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Publisher("other")
    with receiving(mosquitto, address, pictures=str(tmp_path / "pictures")) as receiver:  # type: ignore[arg-type] # an address is as good as a path
        publish(mosquitto, [*_too_much(), *other.events(3)])
        wait_for(lambda: sum(event.agent == "other" for event in receiver.reader.events()) == 3)
        wait_for(lambda: receiver.status().waiting == 0)
        assert "nothing can be stored" not in receiver.status().problem
    assert "nothing can be stored" not in caplog.text


def test_topics_that_nobody_subscribed_to_are_said_once_and_not_where_they_are_cleared(
    file_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    box = Publisher()
    storing = StorageThread(SITE, writer_of(file_database), lambda _: None)
    storing.start()
    acknowledged: list[str] = []
    messages = [box.event(), ("other/cleared", b""), ("other/one", b"1"), box.event(), ("other/two", b"2")]
    for number, (topic, payload) in enumerate(messages, start=1):
        storing.take(Incoming(topic, payload, acknowledge=lambda of=topic: acknowledged.append(of)))  # type: ignore[misc]
        wait_for(lambda: len(acknowledged) == number)  # noqa: B023 - called in this round
    storing.stop()
    said = [record.getMessage() for record in caplog.records if "passed over" in record.getMessage()]
    assert len(said) == 1
    assert "a message on other/one, and others like it" in said[0]
    assert (storing.counts.events, storing.counts.transactions) == (2, len(messages))

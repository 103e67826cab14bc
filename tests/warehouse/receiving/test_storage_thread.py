"""A message that a database can't hold holds up no other."""

from pathlib import Path

import pytest

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from tests.brokers import Mosquitto
from tests.publishers import Message, Publisher
from tests.warehouse.receiving.test_identity import _changed
from tests.warehouse.receiving.test_receiver import publish, receiving, wait_for

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

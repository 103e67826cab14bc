"""What will never come is announced once, and again when more is lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Message
from edge_agent.reporting.losses import LossReporter
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import Model
from kardus.contract.topics import Topics
from kardus.support.errors import StorageError


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """With room for ten events, of which the first two of twelve are lost."""
    outbox = Outbox(tmp_path / "o.sqlite", OutboxLimits(events=10))
    outbox.append([Message("event", "t", b"", sequence=n) for n in range(1, 13)], {}, 12)
    yield outbox
    outbox.close()


def _reporter(outbox: Outbox) -> LossReporter:
    return LossReporter(outbox, MessageWriter(Topics("hall", "box"), Model(name="m", version="1.0.0"), 60).lost)


def _told(outbox: Outbox) -> list[dict[str, Any]]:
    return [json.loads(s.message.payload)["data"] for s in outbox.pending(50) if s.message.topic.endswith("/lost")]


def test_losses_are_told_when_there_are_new_ones(outbox: Outbox) -> None:
    reporter = _reporter(outbox)
    reporter.tick()
    reporter.tick()
    outbox.append([Message("event", "t", b"", sequence=n) for n in range(13, 18)], {}, 17)
    reporter.tick()
    told = _told(outbox)
    assert [data["epoch"] for data in told] == [outbox.epoch] * 2
    assert told[-1]["ranges"][0][0] == 1
    assert told[-1]["ranges"] == [list(ends) for ends in outbox.lost()[outbox.epoch]]


def test_whatever_loses_an_event_has_it_told(outbox: Outbox) -> None:
    """By limits, by a broker that hangs up on it, when the WMS side asks for what is gone; and in an earlier run."""
    reporter = _reporter(outbox)
    reporter.tick()
    outbox.set_aside(next(stored.id for stored in outbox.pending(50) if stored.message.sequence == 5))
    reporter.tick()
    assert [5, 5] in _told(outbox)[-1]["ranges"]
    ten = next(stored.id for stored in outbox.pending(50) if stored.message.sequence == 10)
    outbox.delivered([ten])
    outbox.send_again(outbox.epoch, 10, 10)
    reporter.tick()
    assert [10, 10] in _told(outbox)[-1]["ranges"]
    outbox.close()
    again = Outbox(outbox._path)
    try:
        _reporter(again).tick()
        assert len(_told(again)) == 4, "a later run says it once more"
    finally:
        again.close()


def test_while_nothing_is_lost_nobody_asks_and_what_could_not_be_told_is_tried_again(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = _reporter(outbox)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "append", mock.Mock(side_effect=StorageError("full")))
        with pytest.raises(StorageError):
            reporter.tick()
    reporter.tick()
    assert len(_told(outbox)) == 1
    monkeypatch.setattr(outbox, "lost", mock.Mock(side_effect=AssertionError("asked")))
    reporter.tick()

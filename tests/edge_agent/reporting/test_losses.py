"""What will never come is announced once, and again when more is lost."""

import json
from pathlib import Path

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Message
from edge_agent.reporting.losses import LossReporter
from edge_agent.reporting.outbox.message import Limits
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import Model
from kardus.contract.topics import Topics


def test_losses_are_told_when_there_are_new_ones(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", Limits(events=10))
    reporter = LossReporter(outbox, MessageWriter(Topics("hall", "box"), Model(name="m", version="1.0.0"), 60).lost)
    try:
        reporter.tick()
        outbox.append([Message("event", "t", b"", sequence=n) for n in range(1, 13)], {}, 12)
        reporter.tick()
        reporter.tick()
        outbox.append([Message("event", "t", b"", sequence=n) for n in range(13, 18)], {}, 17)
        reporter.tick()
        told = [json.loads(s.message.payload)["data"] for s in outbox.pending(50) if s.message.topic.endswith("/lost")]
        assert [data["epoch"] for data in told] == [outbox.epoch] * 2
        assert told[-1]["ranges"][0][0] == 1
        assert told[-1]["ranges"] == [list(ends) for ends in outbox.lost()[outbox.epoch]]
    finally:
        outbox.close()

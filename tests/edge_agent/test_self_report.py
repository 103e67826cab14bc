"""What the agent says of itself: its disk, what waits, and when each camera last saw; told anew now and then."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from edge_agent import self_report
from edge_agent.cameras import Cameras
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.self_report import SelfReport
from kardus.contract.messages import Model
from kardus.contract.topics import Topics
from kardus.mqtt.session import MqttSession
from tests.clocks import clock_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@dataclass
class Wire:
    """A session that is connected, and keeps what is published."""

    connection: int | None = 1
    conflict: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, _: int, topic: str, payload: bytes, *, retain: bool) -> int:
        """Keep it."""
        assert (topic.rpartition("/")[2], retain) == ("status", True)
        self.said.append(json.loads(payload)["data"])
        return 1


@dataclass
class Rack:
    """Two cameras, of which one has given a picture."""

    locations: tuple[str, ...] = ("A-1", "A-2")
    captures: dict[str, datetime] = field(default_factory=dict)

    def last_captures(self) -> dict[str, datetime]:
        """As Cameras has it."""
        return self.captures


def test_disk_outbox_and_pictures_are_told_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, rack, outbox = Wire(), Rack(), Outbox(tmp_path / "outbox.sqlite")
    writer = MessageWriter(Topics("site", "box"), Model(name="m", version="1.0.0"), 300)
    recorder = Recorder(outbox, writer, 300)
    report = SelfReport(cast("MqttSession", wire), writer, recorder, cast("Cameras", rack), outbox)
    report.publish_status()
    assert wire.said[-1]["waiting"] == 0
    assert wire.said[-1]["last_pictures"] == []
    assert wire.said[-1]["disk_free_mb"] == pytest.approx(outbox.free_bytes() / 1e6, rel=0.2)
    recorder.record_retained("kardus/v1/site/agents/box/coverage", b"{}")
    rack.captures["cam"] = NOON
    report.tick()
    assert len(wire.said) == 1, "not with every tick"
    then_s = time.monotonic() + self_report.FIRST_STATUS_S
    monkeypatch.setattr(self_report, "time", clock_of(monotonic=lambda: then_s))
    report.tick()
    report.tick()
    assert [(one["waiting"], len(one["last_pictures"])) for one in wire.said] == [(0, 0), (1, 1)]
    assert wire.said[-1]["last_pictures"] == [{"camera": "cam", "captured": "2026-03-04T12:00:00.000Z"}]
    outbox.close()


def test_coverage_is_told_day_by_day_also_after_a_clock_that_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[datetime] = []
    writer, outbox = MessageWriter(Topics("site", "box"), Model(name="m", version="1.0.0"), 300), Outbox(tmp_path / "o")
    days = [NOON + timedelta(days=90), NOON, NOON + timedelta(days=1), NOON + timedelta(days=2)]
    monkeypatch.setattr(self_report, "_today", lambda: days[0])
    recorder = Recorder(outbox, writer, 300)
    report = SelfReport(cast("MqttSession", Wire()), writer, recorder, cast("Cameras", Rack()), outbox)
    monkeypatch.setattr(report, "report_coverage", lambda: told.append(days[0]))
    while days:
        report.tick()
        del days[: 1 if len(days) > 1 else 2]
    assert told == [NOON + timedelta(days=1), NOON + timedelta(days=2)]
    outbox.close()

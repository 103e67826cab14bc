"""What is decided of pictures and words, under a clock of the test: a frozen camera, and a calendar that jumps."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.cameras import SILENT_S, Cameras
from edge_agent.config import Config, parse_config
from edge_agent.config.sections import ModelSection
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.models.load import load_model
from edge_agent.records import ExpectedMessage, Finding, Frame
from edge_agent.replay.comparison import VerdictChange
from edge_agent.replay.player import NoCamera, Player
from edge_agent.replay.recorded import ReplayedInput
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import Expected, Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.support.clock import SetClock
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Change as Happening
from simulator.script import ChangeKind, Script
from simulator.shelf import Shelf

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RACK = Rack(levels=1, positions=3)
FIRST, SECOND, THIRD = (slot.location for slot in RACK.slots())
STOCK: dict[str, str | None] = {FIRST: "Tea-Lemon", SECOND: "Noodles-Beef", THIRD: None}
TOPICS = Topics("s", "box")


@cache
def _model() -> tuple[Bundle, Classifier]:
    return load_model(ModelSection(bundle=DEMO_BUNDLE, trust=(DEMO_KEY.read_text().strip(),)))


def _config(**sections: object) -> Config:
    corners = {slot.location: slot.corners.tolist() for slot in RACK.slots()}
    camera = {
        "name": "rack",
        "source": {"type": "file", "path": "now.png"},
        "locations": [{"id": location, "corners": corners[location]} for location in corners],
    }
    agent = {"site": "s", "name": "box", "data_dir": "data"}
    return parse_config({"agent": agent, "model": {"bundle": "b"}, "cameras": [camera], **sections}, Path("agent.toml"))


@cache
def _shelf(gone_from: int) -> Shelf:
    script = Script(2, 1001, STOCK, STOCK, (Happening(gone_from, ChangeKind.REMOVE, FIRST),))
    return Shelf(RACK, DrawnPictures(), script)


@cache
def _picture(number: int, gone_from: int = 1000) -> Pixels:
    """The rack, with other noise in each; from some picture on the first carton is gone."""
    return _shelf(gone_from).frame(number)


def _seen(at_s: float, pixels: Pixels, jump: timedelta = timedelta()) -> ReplayedInput:
    at = NOON + timedelta(seconds=at_s) + jump
    return ReplayedInput(at, at_s, Frame("rack", 1, at, at_s, Image.fromarray(pixels)), 0)


def _told(
    at_s: float, location: str, sku: str | None, revision: int = 1, jump: timedelta = timedelta()
) -> ReplayedInput:
    payload = Expected(revision=revision, sku=sku).model_dump_json().encode()
    return ReplayedInput(NOON + timedelta(seconds=at_s) + jump, at_s, ExpectedMessage(location, payload))


def _play(config: Config, moments: Sequence[ReplayedInput], *, live: bool) -> list[VerdictChange]:
    player = Player(config, {"rack": live}, _model())
    stock = [_told(0, location, sku) for location, sku in STOCK.items()]
    return [change for moment in (*stock, *moments) for change in player.play(moment)]


def _frozen(until_s: int) -> list[ReplayedInput]:
    """Life for four seconds, then the same picture for ever; the WMS expects something else after a minute."""
    life = [_seen(second, _picture(second)) for second in range(4)]
    still = [_seen(second, _picture(4)) for second in range(4, until_s, 5)]
    word = _told(until_s, SECOND, "Noodles-Shrimp", revision=2)
    return [*life, *still, word, *(_seen(until_s + second, _picture(4)) for second in range(0, 100, 5))]


def test_a_frozen_camera_is_stale_within_a_minute_and_no_verdict_comes_from_it() -> None:
    """FAULTS 20, by the rules that are given where none are configured."""
    changes = _play(_config(verdict={"grace_s": 0}), _frozen(64), live=True)
    of = {name: [change for change in changes if change.finding.location == name] for name in STOCK}
    for location in STOCK:
        first, stale, *rest = of[location]
        assert (first.finding.verdict, stale.finding.verdict) == (Verdict.MATCH, Verdict.STALE)
        assert stale.finding.reason.startswith("frozen: the same picture for")
        assert (stale.at - (NOON + timedelta(seconds=4))).total_seconds() <= 60
        assert not [change for change in rest if change.finding.verdict != Verdict.STALE]
    assert not [change for change in changes if change.finding.verdict in ALERTS]


def test_a_source_that_is_not_live_may_show_the_same_picture_for_ever() -> None:
    """FAULTS 20: the same pictures; so the changed expectation is judged."""
    changes = _play(_config(verdict={"grace_s": 0}), _frozen(64), live=False)
    said = [(change.finding.location, change.finding.verdict) for change in changes]
    assert sorted(said) == sorted([*((name, Verdict.MATCH) for name in STOCK), (SECOND, Verdict.MISMATCH)])


@pytest.mark.parametrize("days", [-1, 1])
def test_a_calendar_that_jumps_a_day_changes_no_verdict_and_no_grace(days: int) -> None:
    """FAULTS 16: in the middle of a vote, and in the middle of a grace."""

    def moments(jump: timedelta) -> list[ReplayedInput]:
        before = [_seen(second, _picture(second, 3)) for second in range(5)]
        after = [_seen(second, _picture(second, 3), jump) for second in range(5, 9)]
        word = _told(9, SECOND, "Noodles-Shrimp", revision=2)
        return [*before, *after, word, *(_seen(second, _picture(8, 3), jump) for second in range(10, 60, 5))]

    config = _config(verdict={"grace_s": 20})
    steady, jumped = (_play(config, moments(jump), live=False) for jump in (timedelta(), timedelta(days=days)))
    said = [[(c.finding.location, c.finding.verdict, c.finding.reason) for c in run] for run in (steady, jumped)]
    assert said[0] == said[1]
    assert [verdict for location, verdict, _ in said[0] if location == FIRST] == [Verdict.MATCH, Verdict.EMPTY]
    assert [verdict for location, verdict, _ in said[0] if location == SECOND] == [
        Verdict.MATCH,
        Verdict.UNCERTAIN,
        Verdict.MISMATCH,
    ]
    ages = [[c.finding.expected.age_s for c in run if c.finding.expected] for run in (steady, jumped)]
    assert ages[0] == ages[1]


@pytest.mark.parametrize("days", [-1, 1])
def test_events_are_in_order_by_epoch_and_sequence_and_say_that_the_clock_is_not_kept_right(
    tmp_path: Path, days: int
) -> None:
    """FAULTS 16: with the outbox; the alert's duration is by seconds, and its times are the calendar's."""
    clock = SetClock(NOON, 1000, synchronised=False)
    outbox = Outbox(tmp_path / "o.sqlite")
    recorder = Recorder(outbox, MessageWriter(TOPICS, Model(name="m", version="1"), 300, clock), 300, clock=clock)
    recorder.record([Finding("L", Verdict.EMPTY, "rack", clock.now())], historical=False)
    clock.set(NOON + timedelta(days=days), 1060)
    assert "L" not in recorder.due(), "nothing is published again because the calendar was set"
    recorder.record([Finding("L", Verdict.MATCH, "rack", clock.now())], historical=False)
    stored = [s.message for s in outbox.pending(10) if s.message.topic == TOPICS.events("L")]
    first, second = (json.loads(message.payload)["data"] for message in stored)
    outbox.close()
    assert (first["epoch"], first["sequence"], second["sequence"]) == (second["epoch"], 1, 2)
    assert (first["clock_synchronised"], second["clock_synchronised"]) == (False, False)
    assert (second["captured"] < first["captured"]) == (days < 0)
    assert (second["alert"]["status"], second["alert"]["duration_s"]) == ("resolved", 60)


@pytest.mark.parametrize(("live", "silent"), [(True, True), (False, False)])
def test_a_live_camera_whose_reader_hangs_is_silent_after_its_time(live: bool, silent: bool) -> None:  # noqa: FBT001
    """FAULTS 19: a source that keeps none of its own time-outs is noticed from outside."""
    cameras = Cameras(_config(), lambda _: None, lambda _: NoCamera(live=live))
    camera = cameras["rack"]
    camera.last_word_s = 100.0
    assert not camera.is_silent(100 + SILENT_S + 0.9)
    assert camera.is_silent(100 + SILENT_S + 1.1) == silent


def test_a_camera_that_was_not_asked_yet_is_not_called_silent_however_long_a_model_takes_to_load() -> None:
    cameras = Cameras(_config(), lambda _: None, lambda _: NoCamera(live=True))
    camera = cameras["rack"]
    camera.last_word_s -= 10 * SILENT_S
    cameras.begin()
    assert cameras.silent(time.monotonic()) == []
    cameras.stop()

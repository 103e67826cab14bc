"""What an agent looks at is kept to be replayed: within limits, whole, and at no cost to a verdict."""

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.archive.recording import PART_S, WAITING, ExpectedChange, Recording, RecordingScope
from edge_agent.config.sections import RecordingSection
from edge_agent.records import ExpectedMessage, Frame, SignalLost
from edge_agent.replay.recorded import ReplayedInput, open_parts, parts_in
from kardus.contract.messages import Expected
from kardus.support.clock import SetClock
from tests.patience import PATIENCE_S

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEA, MILK = Expected(revision=1, sku="Tea"), Expected(revision=2, sku="Milk")


def _scope(expected: dict[str, Expected] | None = None, **rules: object) -> RecordingScope:
    section = RecordingSection.model_validate({"max_mb": 10, **rules})
    return RecordingScope(section, {"left": True}, {"L": TEA} if expected is None else expected)


def _frame(at_s: float, camera: str = "left", side: int = 32) -> Frame:
    pixels = np.random.default_rng(int(at_s)).integers(0, 255, (side, side, 3), np.uint8)
    return Frame(camera, 1, NOON + timedelta(seconds=at_s), at_s, Image.fromarray(pixels))


def _clock(at_s: float = 0) -> SetClock:
    return SetClock(NOON + timedelta(seconds=at_s), at_s)


def _moments(folder: Path) -> list[ReplayedInput]:
    return list(open_parts(parts_in(folder)).moments({"left", "right"}))


def _frames(folder: Path) -> list[float]:
    return [moment.at_s for moment in _moments(folder) if isinstance(moment.item, Frame)]


def test_what_was_kept_is_what_is_replayed(tmp_path: Path) -> None:
    clock = _clock(3)
    recording = Recording(tmp_path / "r", _scope(), clock)
    recording.take(_frame(1))
    recording.take(SignalLost("left", NOON, "it sends nothing"))
    recording.take(ExpectedChange("L", MILK))
    recording.stop()
    word, frame, lost, later = _moments(tmp_path / "r")
    assert word.item == ExpectedMessage("L", TEA.model_dump_json().encode()), "a part begins with the stock of its time"
    assert isinstance(frame.item, Frame)
    assert (frame.at_s, frame.at) == (1, NOON + timedelta(seconds=1))
    assert frame.item.picture.size == (32, 32)
    assert lost.item == SignalLost("left", NOON, "it sends nothing")
    assert later.item == ExpectedMessage("L", MILK.model_dump_json().encode())
    assert later.at_s == 3


def test_nothing_is_kept_unless_it_is_wanted(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r", _scope(max_mb=0), _clock())
    recording.take(_frame(1))
    recording.take(ExpectedChange("L", MILK))
    recording.stop()
    assert not (tmp_path / "r").exists()


def test_only_the_cameras_and_the_pace_that_are_asked_for(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r", _scope(interval_s=2), _clock())
    for at_s in range(7):
        recording.take(_frame(at_s))
        recording.take(_frame(at_s, "right"))
    recording.stop()
    assert _frames(tmp_path / "r") == [0, 2, 4, 6]


def test_the_oldest_part_goes_when_there_is_too_much_and_the_rest_can_be_replayed(tmp_path: Path) -> None:
    clock = _clock()
    recording = Recording(tmp_path / "r", _scope(max_mb=0.2), clock)
    for at_s in range(WAITING * 5):
        recording.take(_frame(at_s, side=64))
        if at_s % WAITING == WAITING - 1:
            recording.take(ExpectedChange("L", Expected(revision=at_s, sku=f"SKU-{at_s}")))
            _settle(recording)
    recording.stop()
    size = sum(file.stat().st_size for file in (tmp_path / "r").rglob("*") if file.is_file())
    assert 100_000 < size <= 200_000
    frames = _frames(tmp_path / "r")
    assert frames == [float(at_s) for at_s in range(int(frames[0]), WAITING * 5)], "nothing but the oldest is gone"
    assert frames[0] > 0
    first = _moments(tmp_path / "r")[0].item
    assert isinstance(first, ExpectedMessage)
    assert first.payload != TEA.model_dump_json().encode(), "its stock is that of its time"


def _settle(recording: Recording) -> None:
    """Wait until everything is written: as many pictures may wait again."""
    for _ in range(WAITING):
        assert recording._pictures.acquire(timeout=PATIENCE_S)
    recording._pictures.release(WAITING)


def test_a_part_ends_after_an_hour_and_what_is_too_old_goes(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r", _scope(max_days=1), _clock())
    recording.take(_frame(0))
    _settle(recording)
    (first,) = parts_in(tmp_path / "r")
    recording.take(_frame(PART_S + 1))
    _settle(recording)
    assert len(parts_in(tmp_path / "r")) == 2
    long_ago = (NOON - timedelta(days=2)).timestamp()
    os.utime(first, (long_ago, long_ago))
    recording.take(_frame(2 * PART_S + 3))
    recording.stop()
    assert first not in parts_in(tmp_path / "r")
    assert len(parts_in(tmp_path / "r")) == 2


def test_other_terms_begin_another_part(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r", _scope(), _clock())
    recording.take(_frame(0))
    recording.apply_settings(_scope({"L": MILK}))
    recording.take(_frame(1))
    recording.apply_settings(_scope(max_mb=0))
    recording.take(_frame(2))
    recording.stop()
    assert len(parts_in(tmp_path / "r")) == 2
    assert _frames(tmp_path / "r") == [0, 1]


def test_a_restart_adds_to_what_is_there(tmp_path: Path) -> None:
    for at_s in (5.0, 2.0):
        recording = Recording(tmp_path / "r", _scope(), _clock())
        recording.take(_frame(at_s))
        recording.stop()
    assert [part.name for part in parts_in(tmp_path / "r")] == ["000001", "000002"]
    assert len(_frames(tmp_path / "r")) == 2


def test_a_disk_that_takes_nothing_is_said_once_and_recording_goes_on_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "r").write_text("in the way")
    recording = Recording(tmp_path / "r", _scope(), _clock())
    with caplog.at_level(logging.ERROR):
        recording.take(_frame(0))
        recording.take(_frame(1))
        _settle(recording)
    assert len([record for record in caplog.records if "aren't recorded" in record.message]) == 1
    (tmp_path / "r").unlink()
    recording.take(_frame(2))
    recording.stop()
    assert _frames(tmp_path / "r") == [2]


def test_a_disk_that_is_nearly_full_is_left_to_what_matters_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_s in (0.0, 1.0):
        recording = Recording(tmp_path / "r", _scope(), _clock())
        recording.take(_frame(at_s))
        recording.stop()
    monkeypatch.setattr("edge_agent.archive.recording.SPARED_BYTES", 10**18)
    recording = Recording(tmp_path / "r", _scope(), _clock())
    with caplog.at_level(logging.ERROR):
        recording.take(_frame(2))
        recording.take(_frame(3))
        recording.stop()
    assert _frames(tmp_path / "r") == []
    assert not list((tmp_path / "r").iterdir()), "the oldest had to go first"
    assert len([record for record in caplog.records if "MB are free" in record.message]) == 1


def test_pictures_that_come_too_fast_are_counted_and_never_waited_for(tmp_path: Path) -> None:
    dropped: list[None] = []
    recording = Recording(tmp_path / "r", _scope(max_mb=500), _clock(), lambda: dropped.append(None))
    frame = _frame(0, side=700)
    for at_s in range(WAITING * 3):
        recording.take(replace(frame, at_s=float(at_s)))
    recording.stop()
    assert dropped
    assert len(_frames(tmp_path / "r")) + len(dropped) == WAITING * 3

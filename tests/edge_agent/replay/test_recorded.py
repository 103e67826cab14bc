"""What is read of a recording: everything in its order and its time, and what is damaged as it would be live."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_agent.records import ExpectedMessage, Frame, SignalLost
from edge_agent.replay.recorded import (
    PlayableRecording,
    ReplayedInput,
    UntimedPictures,
    open_parts,
    open_untimed,
    parts_in,
)
from kardus.contract.messages import Expected
from kardus.contract.recording import ENTRIES, HEADER, RecordingEntry, RecordingHeader
from kardus.support.errors import DataError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _entry(seconds: float, at_s: float, **what: object) -> RecordingEntry:
    return RecordingEntry.model_validate({"at": NOON + timedelta(seconds=seconds), "at_s": at_s, **what})


def _part(folder: Path, entries: list[RecordingEntry], run: str = "r", **cameras: bool) -> Path:
    folder.mkdir(parents=True)
    header = RecordingHeader(run=run, cameras=cameras or {"left": True})
    (folder / HEADER).write_text(header.model_dump_json())
    (folder / ENTRIES).write_text("".join(e.model_dump_json(exclude_none=True) + "\n" for e in entries))
    for entry in entries:
        if entry.picture:
            Image.new("RGB", (8, 6), (90, 90, 90)).save(folder / entry.picture)
    return folder


def _play(recorded: PlayableRecording) -> list[ReplayedInput]:
    return list(recorded.moments(set(recorded.cameras)))


def test_everything_comes_in_its_order_with_its_time(tmp_path: Path) -> None:
    entries = [
        _entry(0, 50, location="L", expected=Expected(revision=3, sku="Tea")),
        _entry(1, 51, camera="left", picture="000001.jpg"),
        _entry(2, 52, camera="left", lost="it sends nothing"),
    ]
    recorded = open_parts(parts_in(_part(tmp_path / "p", entries)))
    word, frame, lost = _play(recorded)
    assert word.item == ExpectedMessage("L", Expected(revision=3, sku="Tea").model_dump_json().encode())
    assert isinstance(frame.item, Frame)
    assert (frame.at_s, frame.item.at_s, frame.item.captured) == (51, 51, NOON + timedelta(seconds=1))
    assert lost.item == SignalLost("left", NOON + timedelta(seconds=2), "it sends nothing")
    assert [moment.picture for moment in (word, frame, lost)] == [None, 0, None]
    assert (recorded.cameras, recorded.count) == ({"left": True}, 3)


def test_a_missing_or_damaged_picture_is_what_it_is_live_a_lost_signal(tmp_path: Path) -> None:
    entries = [_entry(number, number, camera="left", picture=f"{number}.jpg") for number in range(3)]
    folder = _part(tmp_path / "p", entries)
    (folder / "0.jpg").unlink()
    (folder / "1.jpg").write_bytes((folder / "1.jpg").read_bytes()[:200])
    gone, damaged, good = (moment.item for moment in _play(open_parts([folder])))
    assert isinstance(gone, SignalLost)
    assert "0.jpg: no such picture" in gone.reason
    assert isinstance(damaged, SignalLost)
    assert "1.jpg: not a readable picture" in damaged.reason
    assert isinstance(good, Frame)


def test_a_line_that_was_not_finished_is_passed_over_and_another_damaged_one_is_named(tmp_path: Path) -> None:
    folder = _part(tmp_path / "p", [_entry(n, n, camera="left", lost="x") for n in range(3)])
    whole = (folder / ENTRIES).read_text()
    (folder / ENTRIES).write_text(whole[:-20])
    assert len(_play(open_parts([folder]))) == 2
    (folder / ENTRIES).write_text("nonsense\n" + whole)
    with pytest.raises(DataError, match=r"entries\.jsonl: line 1: not an entry .*: copy the recording again"):
        open_parts([folder])


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/x.jpg", "a/../b.jpg", "x.txt", "..jpg"])
def test_a_picture_outside_the_recording_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="picture"):
        _entry(0, 0, camera="left", picture=name)


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"camera": "left"},
        {"camera": "left", "picture": "1.jpg", "lost": "x"},
        {"location": "L"},
        {"camera": "left", "lost": "x", "location": "L", "expected": {"revision": 1}},
    ],
)
def test_an_entry_is_one_thing(what: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a line has a camera"):
        _entry(0, 0, **what)


def test_parts_follow_one_another_by_number_and_seconds_go_on(tmp_path: Path) -> None:
    """The second part is of the same run, after the clock was set back; the third after the machine had been off."""
    _part(tmp_path / "000009", [_entry(0, 100, camera="left", lost="a")])
    _part(tmp_path / "000010", [_entry(-86_400, 104, camera="left", lost="b")])
    _part(tmp_path / "000011", [_entry(-86_340, 3, camera="left", lost="c")], run="another")
    _part(tmp_path / "000012", [_entry(-90_000, 9, camera="left", lost="d")], run="third")
    moments = _play(open_parts(parts_in(tmp_path)))
    assert [m.item.reason for m in moments if isinstance(m.item, SignalLost)] == ["a", "b", "c", "d"]
    assert [moment.at_s for moment in moments] == [100, 104, 164, 164]


def test_a_picture_that_had_waited_is_replayed_with_its_own_time_and_in_its_order(tmp_path: Path) -> None:
    entries = [
        _entry(10, 60, camera="left", lost="a"),
        _entry(6, 56, camera="right", picture="000001.jpg"),
        _entry(11, 61, camera="right", picture="000002.jpg"),
    ]
    _, waited, after = _play(open_parts(parts_in(_part(tmp_path / "p", entries, left=True, right=True))))
    assert isinstance(waited.item, Frame)
    assert isinstance(after.item, Frame)
    assert (waited.at_s, after.at_s) == (60, 61)
    assert (waited.item.at_s, after.item.at_s) == (56, 61)


@given(st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 500), st.sampled_from("ab")), min_size=1, max_size=8))
def test_time_never_goes_back_whatever_the_clocks_did(steps: list[tuple[int, int, str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for number, (seconds, at_s, run) in enumerate(steps):
            _part(Path(name) / f"{number:06d}", [_entry(seconds, at_s, camera="left", lost="x")], run=run)
        times = [moment.at_s for moment in _play(open_parts(parts_in(Path(name))))]
    assert all(before <= after for before, after in pairwise(times))


def test_cameras_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    entries = [_entry(0, 0, camera="left", picture="1.jpg"), _entry(1, 1, camera="right", picture="2.jpg")]
    recorded = open_parts([_part(tmp_path / "p", entries, left=True, right=False)])
    (moment,) = recorded.moments({"right"})
    assert moment.picture == 1, "pictures are counted over all cameras"
    assert recorded.cameras == {"left": True, "right": False}


def test_plain_pictures_come_one_every_so_many_seconds_after_what_is_expected(tmp_path: Path) -> None:
    for shade in range(5):
        Image.fromarray(np.full((6, 8, 3), 40 * shade, np.uint8)).save(tmp_path / f"{shade}.png")
    plain = UntimedPictures("left", interval_s=2.5, every=2, expected={"L": None, "M": "Tea"})
    first, second, *frames = _play(open_untimed(tmp_path, plain))
    assert [json.loads(m.item.payload)["sku"] for m in (first, second) if isinstance(m.item, ExpectedMessage)] == [
        None,
        "Tea",
    ]
    assert [moment.at_s for moment in frames] == [0, 2.5, 5]
    assert [m.item.picture.getpixel((0, 0)) for m in frames if isinstance(m.item, Frame)] == [
        (0, 0, 0),
        (80, 80, 80),
        (160, 160, 160),
    ]


def test_a_folder_without_pictures_is_no_recording(tmp_path: Path) -> None:
    assert parts_in(tmp_path) == []
    with pytest.raises(DataError, match="neither a recording nor a picture in it"):
        open_untimed(tmp_path, UntimedPictures("left"))
    with pytest.raises(DataError, match="no such recording"):
        open_untimed(tmp_path / "gone", UntimedPictures("left"))

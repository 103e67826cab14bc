"""Evidence is kept within its limits, oldest out first, and a full disk costs no verdict."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.archive.evidence import CROP_PX, FRAME_PX, PRUNE_EVERY, Evidence, snapshot_jpeg
from edge_agent.config.sections import EvidenceSection
from kardus.inference.geometry import rectangle
from kardus.support.chores import Chores
from tests.edge_agent.racks import RACK, still

SHOWN = Image.fromarray(still())
EVENT = "0198c2b0-0000-7000-8000-00000000000{}"
FIRST, SECOND = (slot.corners for slot in RACK.slots()[:2])


def _opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image.convert("RGB")


def test_an_event_s_pictures_are_its_crop_and_the_frame_with_the_location_drawn(tmp_path: Path, chores: Chores) -> None:
    evidence = Evidence(tmp_path / "e", EvidenceSection(), chores)
    crop = evidence.keep(EVENT.format(1), SHOWN, [FIRST], None)
    found = evidence.fetch(EVENT.format(1))
    assert set(found) == {"crop", "frame"}
    assert found["crop"] == crop
    assert _opened(found["crop"]).size == (CROP_PX, CROP_PX)
    frame = _opened(found["frame"])
    assert frame.size == (FRAME_PX, 720)
    x, y = (FIRST[0] + FIRST[3]) / 2 * FRAME_PX / 1920
    red, green, _ = frame.getpixel((int(x), int(y)))  # type: ignore[misc]
    assert red > 2 * green, "the left side of the location is drawn"


def test_the_crop_shows_the_facing_that_disagrees(tmp_path: Path, chores: Chores) -> None:
    evidence = Evidence(tmp_path, EvidenceSection(), chores)
    frame = Image.new("RGB", (1920, 1080), (30, 30, 30))
    left, top, right, bottom = (int(v) for v in (*FIRST[0], *FIRST[2]))
    frame.paste((220, 220, 220), (left, top, right, bottom))
    for facing, bright in ((None, True), (1, True), (2, False)):
        crop = evidence.keep(EVENT.format(2), frame, [FIRST, SECOND], facing)
        assert (np.asarray(_opened(crop)).mean() > 150) == bright


def test_what_is_gone_or_never_was_is_empty(tmp_path: Path, chores: Chores) -> None:
    assert Evidence(tmp_path / "none", EvidenceSection(), chores).fetch(EVENT.format(9)) == {}


def test_the_oldest_go_first_when_there_is_too_much(tmp_path: Path, chores: Chores) -> None:
    evidence = Evidence(tmp_path, EvidenceSection(max_mb=0.003), chores)
    for age in range(5):
        path = tmp_path / f"{EVENT.format(age)}-crop.jpg"
        path.write_bytes(b"x" * 1000)
        os.utime(path, (1e9 - age, 1e9 - age))
    evidence.prune(1e9)
    assert sorted(path.name[-10] for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_the_old_go_even_when_there_is_room(tmp_path: Path, chores: Chores) -> None:
    evidence = Evidence(tmp_path, EvidenceSection(max_days=2), chores)
    for days in (0, 1, 3, 4):
        path = tmp_path / f"{EVENT.format(days)}-crop.jpg"
        path.write_bytes(b"x")
        os.utime(path, (1e9 - days * 86_400, 1e9 - days * 86_400))
    evidence.prune(1e9)
    assert sorted(path.name[-10] for path in tmp_path.iterdir()) == ["0", "1"]


def test_the_limits_hold_without_being_asked(tmp_path: Path, chores: Chores) -> None:
    evidence = Evidence(tmp_path, EvidenceSection(max_mb=0.02), chores)
    for number in range(2 * PRUNE_EVERY):
        evidence.keep(f"{number:036}", SHOWN.reduce(4), [rectangle(0, 0, 100, 100)], None)
    chores.settle()
    assert len(list(tmp_path.iterdir())) < 3 * PRUNE_EVERY


def test_a_disk_that_takes_nothing_costs_no_verdict(
    tmp_path: Path, chores: Chores, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    evidence = Evidence(tmp_path / "file" / "e", EvidenceSection(), chores)
    evidence.keep(EVENT.format(1), SHOWN, [FIRST], None)
    chores.settle()
    told = [evidence.works]  # the next event says that no pictures are kept
    (tmp_path / "file").unlink()
    evidence.keep(EVENT.format(2), SHOWN, [FIRST], None)
    assert evidence.fetch(EVENT.format(2))
    assert [*told, evidence.works] == [False, True]
    assert "evidence isn't kept" in caplog.text


def test_a_snapshot_is_the_whole_frame() -> None:
    assert _opened(snapshot_jpeg(SHOWN)).size == (1920, 1080)


def _aged(folder: Path, *days: int) -> None:
    for number, age in enumerate(days):
        path = folder / f"{EVENT.format(number)}-crop.jpg"
        path.write_bytes(b"x" * 1000)
        moment = time.time() - age * 86_400
        os.utime(path, (moment, moment))


@pytest.mark.parametrize("max_mb", [200, 0])
def test_what_grew_old_while_no_picture_came_goes_once_a_day(tmp_path: Path, chores: Chores, max_mb: float) -> None:
    _aged(tmp_path, 0, 5, 40, 400)
    Evidence(tmp_path, EvidenceSection(max_mb=max_mb, max_days=30), chores)
    chores.tick()
    chores.settle()
    assert len(list(tmp_path.iterdir())) == 4, "a clock may be wrong at the start"
    chores._due_s = 0
    chores.tick()
    chores.settle()
    assert len(list(tmp_path.iterdir())) == 2


def test_other_limits_hold_at_once_also_on_a_full_disk(tmp_path: Path, chores: Chores) -> None:
    _aged(tmp_path, 0, 1, 2, 3)
    evidence = Evidence(tmp_path, EvidenceSection(), chores)
    evidence.apply_settings(EvidenceSection(max_mb=0.002))
    chores.settle()
    assert len(list(tmp_path.iterdir())) == 2

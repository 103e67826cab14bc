"""Photos for training: a data set on disk, whole at every moment, within limits that no location can use up alone."""

import csv
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_agent.archive.harvest import (
    LABELS,
    MAX_SIDE_PX,
    PRUNE_EVERY,
    Harvest,
    HarvestedCrop,
    folder_name,
    upright_jpeg,
)
from edge_agent.config.sections import HarvestSection
from kardus.contract.proposals import COLUMNS
from kardus.contract.topics import ID_PATTERN, is_id
from kardus.contract.verdicts import Verdict
from kardus.inference.geometry import rectangle
from kardus.support.tabular.tables import read_table
from tests.edge_agent.racks import RACK, still

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SLOT = RACK.slots()[0]


def _proposal(
    location: str = "A-1", minute: int = 0, facing: int | None = None, jpeg: bytes = b"jpeg"
) -> HarvestedCrop:
    moment = NOW + timedelta(minutes=minute)
    return HarvestedCrop(
        location, facing, "rack", moment, 'Tea, "Lemon"', Verdict.MISMATCH, "Tea-Peach", 0.91, lambda: jpeg
    )


def _harvest(folder: Path, **limits: float) -> Harvest:
    return Harvest(folder / "h", HarvestSection.model_validate(limits))


def _rows(folder: Path) -> list[dict[str, str]]:
    return [row.values for row in read_table(folder / "h" / LABELS, ("path", "name"))]


def test_a_crop_has_every_pixel_that_the_picture_has_of_its_slot() -> None:
    crop = Image.open(io.BytesIO(upright_jpeg(Image.fromarray(still()), SLOT.corners)))
    sides = np.linalg.norm(np.roll(SLOT.corners, -1, axis=0) - SLOT.corners, axis=1)
    assert crop.size == (round(sides.max()), round(sides.max()))
    huge = Image.new("RGB", (1500, 1500))
    assert Image.open(io.BytesIO(upright_jpeg(huge, rectangle(0, 0, 1500, 1500)))).size == (MAX_SIDE_PX, MAX_SIDE_PX)


def test_what_is_kept_is_a_data_set_of_proposals(tmp_path: Path) -> None:
    assert _harvest(tmp_path).keep([_proposal(), _proposal(facing=2)]) == 2
    one, two = _rows(tmp_path)
    assert tuple(one) == COLUMNS
    assert one["name"] == ""
    assert (one["status"], one["proposed"], one["seen"], one["confidence"]) == (
        "proposed",
        'Tea, "Lemon"',
        "Tea-Peach",
        "0.910",
    )
    assert (one["verdict"], one["location"], one["facing"], one["camera"]) == ("mismatch", "A-1", "", "rack")
    assert datetime.fromisoformat(one["captured"]) == NOW
    assert two["facing"] == "2"
    assert len({(tmp_path / "h" / row["path"]).read_bytes() for row in (one, two)}) == 1


def test_what_somebody_wrote_into_the_table_stays(tmp_path: Path) -> None:
    _harvest(tmp_path).keep([_proposal(), _proposal(minute=1)])
    table = tmp_path / "h" / LABELS
    rows = _rows(tmp_path)
    rows[0] |= {"name": "Tea-Lemon", "status": "confirmed", "note": "checked"}
    with table.open("w", newline="", encoding="utf-8") as file:  # as a spreadsheet of a country with decimal commas
        writer = csv.DictWriter(file, [*COLUMNS, "note"], delimiter=";", restval="")
        writer.writeheader()
        writer.writerows(rows)
    harvest = _harvest(tmp_path)
    harvest.keep([_proposal(minute=2)])
    harvest.keep([_proposal(minute=3)])
    first, *others = _rows(tmp_path)
    assert (first["name"], first["status"], first["note"]) == ("Tea-Lemon", "confirmed", "checked")
    assert [row["status"] for row in others] == ["proposed"] * 3


@pytest.mark.parametrize("torn", ["photos/A-1/x", 'photos/A-1/20260304T120000.000000Z.jpg,,proposed,"Tea', "\n"])
def test_a_line_that_was_torn_by_a_power_cut_spoils_no_other(tmp_path: Path, torn: str) -> None:
    _harvest(tmp_path).keep([_proposal()])
    table = tmp_path / "h" / LABELS
    table.write_text(table.read_text() + torn)
    assert _harvest(tmp_path).keep([_proposal(minute=1)]) == 1
    rows = _rows(tmp_path)
    assert all((tmp_path / "h" / row["path"]).is_file() for row in rows)
    assert [row["location"] for row in rows][:1] == ["A-1"]
    assert rows[-1]["captured"].startswith("2026-03-04T12:01")


def test_the_oldest_of_the_location_that_holds_most_go_first(tmp_path: Path) -> None:
    harvest = _harvest(tmp_path, max_mb=0.01)
    harvest.keep([_proposal("quiet", minute, jpeg=b"x" * 1000) for minute in range(3)])
    for minute in range(3, 60):
        harvest.keep([_proposal("busy", minute, jpeg=b"x" * 1000)])
    harvest.prune(NOW.timestamp())
    rows = _rows(tmp_path)
    kept = [row["captured"][14:16] for row in rows if row["location"] == "busy"]
    assert [row["location"] for row in rows].count("quiet") == 3, "whoever holds little loses nothing"
    assert kept == sorted(kept)
    assert kept[-1] == "59"
    assert 4 <= len(kept) <= 7
    assert all((tmp_path / "h" / row["path"]).is_file() for row in rows)
    assert len(list((tmp_path / "h").glob("photos/*/*.jpg"))) == len(rows)


def test_the_limits_hold_without_being_asked(tmp_path: Path) -> None:
    harvest = _harvest(tmp_path, max_mb=0.01)
    for minute in range(3 * PRUNE_EVERY):
        harvest.keep([_proposal(minute=minute, jpeg=b"x" * 1000)])
    assert len(_rows(tmp_path)) <= 10 + PRUNE_EVERY


def test_the_old_go_even_when_there_is_room(tmp_path: Path) -> None:
    harvest = _harvest(tmp_path, max_days=2)
    harvest.keep([_proposal(minute=minute) for minute in range(4)])
    for days, row in enumerate(_rows(tmp_path)):
        then = NOW.timestamp() - days * 86_400 + 60
        os.utime(tmp_path / "h" / row["path"], (then, then))
    harvest.prune(NOW.timestamp())
    assert len(_rows(tmp_path)) == 3


def test_a_disk_that_takes_nothing_costs_no_verdict(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "h").write_text("in the way")
    assert _harvest(tmp_path).keep([_proposal()]) == 0
    assert "photos for training aren't kept" in caplog.text


def test_a_table_that_is_no_table_costs_no_verdict_and_is_not_overwritten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / LABELS).write_bytes(b"\xff\xfe\x00")
    assert _harvest(tmp_path).keep([_proposal()]) == 0
    assert "labels.csv: is no text in utf-16: save it as CSV in UTF-8" in caplog.text
    assert (tmp_path / "h" / LABELS).read_bytes() == b"\xff\xfe\x00"


@given(st.from_regex(ID_PATTERN, fullmatch=True).filter(is_id), st.from_regex(ID_PATTERN, fullmatch=True).filter(is_id))
def test_every_location_has_a_folder_of_its_own_that_leads_nowhere_else(one: str, other: str) -> None:
    assert folder_name(one).replace("-", "").replace("_", "").isalnum() or set(folder_name(one)) <= {"-", "_"}
    assert len(folder_name(one)) <= 69
    assert (folder_name(one) == folder_name(other)) == (one == other)
    assert folder_name("A-03-2-05") == "A-03-2-05"

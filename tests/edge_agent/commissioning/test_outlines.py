"""Outlines of locations are proposed from where their labels are."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_agent.commissioning.outlines import FoundLabels, LabelSide, propose
from edge_agent.commissioning.rack_plane import rack_plane
from kardus.codes.labels import RackLabel, find_labels
from kardus.inference.geometry import Float64Array, homography, project, rectangle
from simulator.rack_labels import RackLabels
from simulator.scene import Rack
from tests.pictures import seen_through
from tests.scripts.rack_labels import overlap

SIZE = (1600, 900)
BLANK = Image.new("L", SIZE, 128)
VIEWS = [
    rectangle(0.03, 0.03, 0.97, 0.97),
    np.array([[0.05, 0.1], [0.97, 0.02], [0.93, 0.98], [0.02, 0.88]]),
    np.array([[0.2, 0.05], [0.8, 0.05], [0.98, 0.95], [0.02, 0.95]]),
]


@cache
def _rack(view: int, side: LabelSide = "below") -> Rack:
    corners = tuple((float(x), float(y)) for x, y in VIEWS[view])
    return Rack(3, 4, *SIZE, labels=RackLabels("qr", 2.0, side), view=corners)


def _labels(rack: Rack, *, without: tuple[str, ...] = ()) -> list[RackLabel]:
    """The labels of a drawn rack where they stick, without reading a picture."""
    outline = np.array(rack.view) * np.array(SIZE)
    view = homography(rectangle(0, 0, 1, 1), outline)
    labels = []
    for level in range(1, rack.levels + 1):
        for position in range(1, rack.positions + 1):
            beam = rack._beam(1 - (level - 1) / rack.levels)
            x, y = (position - 0.5) / rack.positions, float(beam[:, 1].mean())
            corners = project(view, rectangle(x - 0.014, y - 0.022, x + 0.014, y + 0.022))
            labels.append(RackLabel(rack.code(level, position), corners))
    return [label for label in labels if label.code not in without]


def _overlaps(found: FoundLabels, rack: Rack) -> dict[str, float]:
    truth = {slot.location: slot.corners for slot in rack.slots()}
    return {code: overlap(corners, truth[code]) for code, corners in found.named}


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize("view", range(len(VIEWS)))
def test_outlines_overlap_the_openings(view: int, side: LabelSide) -> None:
    rack = _rack(view, side)
    overlaps = _overlaps(propose(_labels(rack), BLANK, side), rack)
    assert len(overlaps) == 12
    assert min(overlaps.values()) > 0.85


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_that_hangs_turned_gives_the_corners_as_the_carton_has_them(turns: int) -> None:
    rack = _rack(1)
    picture = BLANK.rotate(90 * turns, expand=True)

    def turn(corners: Float64Array) -> Float64Array:
        for number in range(turns):
            width = SIZE[number % 2]
            corners = np.column_stack([corners[:, 1], width - corners[:, 0]])
        return corners

    labels = [RackLabel(label.code, turn(label.corners)) for label in _labels(rack)]
    truth = {slot.location: turn(slot.corners) for slot in rack.slots()}
    for code, corners in propose(labels, picture).named:
        assert overlap(corners, truth[code]) > 0.85
        assert np.abs(corners - truth[code]).max() < 25  # the same corner comes first


def test_a_label_that_cannot_be_read_leaves_a_place_without_a_code() -> None:
    rack = _rack(1)
    gone = ("A-01-2-02", "A-01-3-01", "A-01-1-04")
    found = propose(_labels(rack, without=gone), BLANK)
    assert {code for code, _ in found.named}.isdisjoint(gone)
    truth = {slot.location: slot.corners for slot in rack.slots()}
    assert len(found.unread) == 3
    for outline in found.unread:
        assert max(overlap(outline, truth[code]) for code in gone) > 0.85
    assert any("unread labels: 3" in remark for remark in found.remarks)


def test_a_code_on_two_labels_is_used_for_neither() -> None:
    labels = _labels(_rack(0))
    found = propose([*labels[:-1], RackLabel(labels[0].code, labels[-1].corners)], BLANK)
    assert labels[0].code not in dict(found.named)
    assert any(labels[0].code in remark for remark in found.remarks)


def test_levels_with_other_numbers_of_positions_have_outlines_of_their_own() -> None:
    wide = [RackLabel(f"A-1-{n}", rectangle(x - 20, 480, x + 20, 500)) for n, x in enumerate((300, 800, 1300))]
    narrow = [RackLabel(f"A-2-{n}", rectangle(x - 20, 180, x + 20, 200)) for n, x in enumerate(range(175, 1500, 250))]
    found = dict(propose([*wide, *narrow], BLANK).named)
    widths = {code: float(corners[1, 0] - corners[0, 0]) for code, corners in found.items()}
    assert widths["A-1-1"] == pytest.approx(450, abs=5)
    assert widths["A-2-1"] == pytest.approx(225, abs=5)
    assert found["A-1-1"][0, 1] > 200


def test_one_row_says_that_its_height_is_guessed() -> None:
    labels = [label for label in _labels(_rack(0)) if label.code.startswith("A-01-1")]
    found = propose(labels, BLANK)
    assert len(found.named) == 4
    assert any("one row" in remark for remark in found.remarks)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_labels_are_enough_for_something(count: int) -> None:
    labels = _labels(_rack(0))[:count]
    found = propose(labels, BLANK)
    assert [code for code, _ in found.named] == [label.code for label in labels]
    assert bool(found.remarks)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1600), st.integers(0, 900)), min_size=1, max_size=12, unique=True))
def test_labels_anywhere_give_outlines_inside_the_picture(places: list[tuple[int, int]]) -> None:
    labels = [RackLabel(f"L{n}", rectangle(x - 9, y - 4, x + 9, y + 4)) for n, (x, y) in enumerate(places)]
    assert np.isfinite(rack_plane(labels).view).all()
    for _, corners in propose(labels, BLANK).named:
        assert (corners >= 0).all()
        assert (corners <= SIZE).all()


def test_a_drawn_rack_is_read_and_laid_out() -> None:
    rack = Rack(
        2, 3, 1280, 720, labels=RackLabels("code128", 2.0, damaged=frozenset({"A-01-2-02"})), view=_rack(1).view
    )
    rng = np.random.default_rng(3)
    picture = seen_through(rack.background(rng), rng, 0.7)
    found = propose(find_labels(picture), picture)
    overlaps = _overlaps(found, rack)
    assert set(overlaps) == {slot.location for slot in rack.slots()} - {"A-01-2-02"}
    assert np.mean(list(overlaps.values())) > 0.9
    assert len(found.unread) == 1

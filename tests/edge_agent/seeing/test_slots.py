"""Locations lie where they were laid out, and a corner outside the picture is named."""

import numpy as np
import pytest

from edge_agent.config.cameras import CameraSection
from edge_agent.seeing.slots import Slot, outside, slots_of
from kardus.inference.geometry import rectangle


def _camera(units: str, corners: list[list[float]]) -> CameraSection:
    return CameraSection.model_validate(
        {
            "name": "c",
            "source": {"type": "file", "path": "x.jpg"},
            "units": units,
            "locations": [{"id": "A-1", "corners": corners}],
        }
    )


def test_corners_in_shares_are_scaled_to_the_picture() -> None:
    (slot,) = slots_of(_camera("share", [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]))
    assert slot.in_pixels(100, 60).tolist() == [[0, 0], [50, 0], [50, 60], [0, 60]]


def test_corners_in_pixels_stay_as_they_are() -> None:
    (slot,) = slots_of(_camera("pixels", [[1, 2], [30, 2], [30, 40], [1, 40]]))
    assert slot.location == "A-1"
    assert slot.in_pixels(100, 60).tolist() == [[1, 2], [30, 2], [30, 40], [1, 40]]


def test_each_facing_of_a_location_is_a_slot_with_its_number() -> None:
    left, right = [[0, 0], [40, 0], [40, 50], [0, 50]], [[50, 0], [90, 0], [90, 50], [50, 50]]
    camera = CameraSection.model_validate(
        {
            "name": "c",
            "source": {"type": "file", "path": "x.jpg"},
            "locations": [{"id": "A-1", "facings": [left, right]}, {"id": "A-2", "corners": left}],
        }
    )
    slots = slots_of(camera)
    assert [(slot.location, slot.facing) for slot in slots] == [("A-1", 1), ("A-1", 2), ("A-2", None)]
    assert [slot.corners.tolist() for slot in slots] == [left, right, left]


def test_corners_on_the_picture_s_edge_are_inside() -> None:
    assert outside([Slot("A-1", rectangle(0, 0, 100, 60), in_shares=False)], 100, 60) == ""
    assert outside([Slot("A-1", rectangle(0, 0, 1, 1), in_shares=True)], 100, 60) == ""


@pytest.mark.parametrize(
    ("corners", "named"),
    [
        (rectangle(10, 10, 101, 50), "(101, 10)"),
        (rectangle(10, 10, 90, 60.5), "(90, 60.5)"),
        (rectangle(-1, 10, 90, 50), "(-1, 10)"),
    ],
)
def test_a_corner_outside_is_named_with_its_location_and_the_picture_s_size(corners: np.ndarray, named: str) -> None:
    slots = [Slot("inside", rectangle(0, 0, 9, 9), in_shares=False), Slot("A-7", corners, in_shares=False)]
    text = outside(slots, 100, 60)
    for part in ("'A-7'", named, "100 x 60", "correct the corner"):
        assert part in text

"""Locations are cut out of a frame, and a corner outside the picture is named."""

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.seeing.slots import Cutting, Slot, outside, place_slots, slots_of
from kardus.inference.geometry import rectangle
from kardus.inference.preprocess import Pixels, rectify


def _picture() -> Pixels:
    picture = np.zeros((60, 100, 3), dtype=np.uint8)
    picture[:, 50:] = 200
    return picture


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


def test_the_slots_follow_a_camera_that_was_nudged() -> None:
    slots = [Slot("a", rectangle(10, 10, 40, 40), in_shares=False), Slot("b", rectangle(0.5, 0, 1, 1), in_shares=True)]
    motion = np.array([[1.0, 0, 5], [0, 1.0, -3], [0, 0, 1]])
    placed = place_slots(slots, 100, 60, motion)
    assert placed[0].tolist() == rectangle(15, 7, 45, 37).tolist()
    assert placed[1].tolist() == rectangle(55, 0, 100, 57).tolist(), "kept inside the picture"


def test_each_location_gets_its_own_crop_in_their_order() -> None:
    crops = Cutting(
        np.stack([rectangle(0, 0, 48, 60), rectangle(52, 0, 100, 60)]), Image.fromarray(_picture()), 24
    ).result()
    assert crops.shape == (2, 24, 24, 3)
    assert crops.dtype == np.uint8
    assert [int(crop.mean()) for crop in crops] == [0, 200]


def test_many_are_cut_as_each_by_itself_and_in_their_order() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    corners = np.stack([rectangle(x, y, x + 30, y + 20) for x in range(0, 70, 7) for y in range(0, 40, 9)])
    alone = np.stack([rectify(picture, quadrilateral, 24) for quadrilateral in corners])
    again = Cutting(corners, Image.fromarray(picture), 24).result()
    assert np.array_equal(again, alone)
    other = 255 - picture  # from the same places of another picture
    assert np.array_equal(Cutting(corners, Image.fromarray(other), 24).result()[3], rectify(other, corners[3], 24))


def test_no_location_gives_no_crop() -> None:
    assert Cutting(np.empty((0, 4, 2)), Image.fromarray(_picture()), 24).result().shape == (0, 24, 24, 3)


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

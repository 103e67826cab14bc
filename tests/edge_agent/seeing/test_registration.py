"""Marks are found again where they went, to a fraction of a pixel, in another light."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from edge_agent.seeing.registration import MAX_MARKS, PATCH, FloatGrey, choose_marks, find_marks

NOWHERE = np.zeros((270, 480), bool)


def _scene(seed: int = 0) -> FloatGrey:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (68, 120), dtype=np.uint8)).resize((480, 270))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32)


SCENE = _scene()


def _still() -> np.ndarray:
    return np.zeros((MAX_MARKS, 2))


def test_marks_are_where_edges_run_in_two_directions() -> None:
    grey = np.full((270, 480), 90, np.float32)
    grey[100:200, 200:] = 180  # its left end has corners, its edges run in one direction
    marks = choose_marks(grey, NOWHERE)
    assert len(marks.corners)
    near_corner = [
        any(x <= 200 <= x + PATCH and y <= corner <= y + PATCH for corner in (100, 200)) for x, y in marks.corners
    ]
    assert all(near_corner)


def test_a_plain_wall_has_no_marks() -> None:
    assert not len(choose_marks(np.full((270, 480), 90, np.float32), NOWHERE).corners)


def test_what_may_change_is_avoided_while_there_is_enough_else() -> None:
    avoid = NOWHERE.copy()
    avoid[:, :240] = True
    marks = choose_marks(SCENE, avoid)
    assert len(marks.corners) == MAX_MARKS
    assert (marks.corners[:, 0] >= 216).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(-6, 6), st.integers(-6, 6), st.floats(0.4, 1.6), st.floats(-20, 20))
def test_a_shift_is_found_in_any_light(right: int, down: int, gain: float, offset: float) -> None:
    marks = choose_marks(SCENE, NOWHERE)
    later = gain * np.roll(SCENE, (down, right), axis=(0, 1)) + offset
    found = find_marks(marks, later.astype(np.float32), _still(), 8)
    inside = ((marks.corners > 8) & (marks.corners + PATCH < [480 - 8, 270 - 8])).all(axis=1)
    assert inside.sum() > MAX_MARKS / 2
    assert found.sure[inside].all()
    assert np.abs(found.shifts[inside] - [right, down]).max() < 0.3


def test_half_a_pixel_is_found() -> None:
    marks = choose_marks(SCENE, NOWHERE)
    image = Image.fromarray(SCENE).transform((480, 270), Image.Transform.AFFINE, (1, 0, -0.5, 0, 1, 0.25), 3)
    found = find_marks(marks, np.asarray(image), _still(), 2)
    assert np.median(found.shifts, axis=0) == pytest.approx([0.5, -0.25], abs=0.12)


def test_another_scene_has_none_of_them() -> None:
    marks = choose_marks(SCENE, NOWHERE)
    assert not find_marks(marks, _scene(1), _still(), 8).sure.any()


def test_a_plain_picture_has_none_of_them() -> None:
    marks = choose_marks(SCENE, NOWHERE)
    assert not find_marks(marks, np.full((270, 480), 90, np.float32), _still(), 8).sure.any()


def test_marks_at_the_edge_may_leave_the_picture() -> None:
    marks = choose_marks(SCENE, NOWHERE)
    far = np.full((MAX_MARKS, 2), 1000.0)
    assert len(find_marks(marks, SCENE, far, 3).likeness) == MAX_MARKS
    assert len(find_marks(marks, SCENE, -far, 3).likeness) == MAX_MARKS

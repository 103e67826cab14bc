"""The similarity that points agree on, whatever some of them say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.seeing.registration import MIN_MARKS, fit_similarity, stands_still, undone, whole_shift
from kardus.inference.geometry import Float64Array, project

POINTS = np.array([[x, y] for x in (20.0, 160.0, 330.0, 460.0) for y in (15.0, 120.0, 250.0)])


def _matrix(zoom: float, degrees: float, right: float, down: float) -> Float64Array:
    turn = np.deg2rad(degrees)
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    return np.array([[cos, -sin, right], [sin, cos, down], [0, 0, 1.0]])


@given(st.floats(0.9, 1.1), st.floats(-5, 5), st.floats(-40, 40), st.floats(-40, 40))
def test_what_moved_all_points_is_found(zoom: float, degrees: float, right: float, down: float) -> None:
    matrix = _matrix(zoom, degrees, right, down)
    found, agree = fit_similarity(POINTS, project(matrix, POINTS))
    assert agree == len(POINTS)
    assert found == pytest.approx(matrix, abs=1e-6)


@given(st.integers(0, 2**32), st.floats(-3, 3), st.floats(-20, 20))
def test_a_third_of_wrong_points_changes_nothing(seed: int, degrees: float, right: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = _matrix(1.0, degrees, right, 4)
    target = project(matrix, POINTS)
    wrong = rng.permutation(len(POINTS))[:4]
    target[wrong] += rng.uniform(8, 30, (4, 2)) * rng.choice([-1, 1], (4, 2))
    found, agree = fit_similarity(POINTS, target)
    assert len(POINTS) - 4 <= agree < len(POINTS)
    assert np.abs(project(found, POINTS) - project(matrix, POINTS)).max() < 1.5


@pytest.mark.parametrize("count", range(MIN_MARKS))
def test_too_few_points_say_nothing(count: int) -> None:
    found, agree = fit_similarity(POINTS[:count], POINTS[:count] + 5)
    assert agree == 0
    assert found.tolist() == np.eye(3).tolist()


@given(st.integers(0, 2**32), st.integers(-30, 30), st.integers(-20, 20), st.floats(0.5, 2))
def test_a_shift_of_the_whole_is_found_in_any_light(seed: int, right: int, down: int, gain: float) -> None:
    scene = np.random.default_rng(seed).normal(size=(160, 200)).astype(np.float32)
    before, now = scene[30:130, 40:160], scene[30 - down : 130 - down, 40 - right : 160 - right]
    assert whole_shift(before, now * np.float32(gain) + 9).tolist() == [right, down]


def test_a_plain_picture_has_not_moved() -> None:
    plain = np.ones((60, 80), np.float32)
    assert whole_shift(plain, plain).tolist() == [0, 0]


def test_points_in_one_place_say_nothing() -> None:
    same = np.ones((5, 2))
    scattered = np.array([[0.0, 0], [9, 9], [50, 2], [2, 50], [30, 30]])
    assert fit_similarity(same, scattered)[1] == 0


def test_a_picture_whose_camera_moved_is_put_back_and_what_it_does_not_show_is_said() -> None:
    was = np.random.default_rng(2).integers(60, 256, (12, 20, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    moved, shown = np.full_like(was, 255), np.ones(was.shape[:2], bool)
    moved[4:, 7:] = was[:-4, :-7]
    shown[50:60, 50:60] = False
    back, seen = undone(moved, shown, _matrix(1, 0, 7, 4))
    assert np.array_equal(back[:-4, :-7], was[:-4, :-7])
    assert not seen[-4:].any()
    assert not seen[:, -7:].any()
    assert seen[:-4, :-7].sum() == seen[:-4, :-7].size - 100
    assert not seen[46:56, 43:53].any()


def test_a_camera_that_trembles_stands_still() -> None:
    assert stands_still(_matrix(1, 0, 0.4, -0.4), 480, 270)
    assert not stands_still(_matrix(1, 0, 0.6, 0), 480, 270)
    assert not stands_still(_matrix(1.01, 0, 0, 0), 480, 270)

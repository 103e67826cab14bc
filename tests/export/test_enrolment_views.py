"""Views of a few photos."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from export.enrolment_views import VIEWS, views_of
from kardus.inference.preprocess import rectify_whole


def _picture(width: int = 60, height: int = 80, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("count", "each"), [(1, 5), (2, 3), (4, 2), (5, 1), (9, 1)])
def test_few_photos_are_looked_at_several_times(count: int, each: int) -> None:
    views = views_of([_picture(seed=n) for n in range(count)], count, 16)
    assert views.shape == (count, each, 16, 16, 3)
    assert count * each >= VIEWS


def test_the_first_view_is_the_photo_itself_and_the_others_differ() -> None:
    picture = _picture()
    views = views_of([picture], 1, 16)[0]
    np.testing.assert_array_equal(views[0], rectify_whole(np.asarray(picture), 16))
    assert len({view.tobytes() for view in views}) == VIEWS
    np.testing.assert_array_equal(views, views_of([picture], 1, 16)[0])


@given(st.integers(2, 90), st.integers(2, 90))
def test_a_photo_of_any_shape_has_views(width: int, height: int) -> None:
    views = views_of([_picture(width, height)], 1, 16)
    assert views.shape == (1, VIEWS, 16, 16, 3)


def test_photos_are_let_go_one_by_one() -> None:
    """30 of 12 megapixels are 1 GB, on the machine of an operator who enrols a product."""
    alive: weakref.WeakValueDictionary[int, Image.Image] = weakref.WeakValueDictionary()
    most = 0

    def read() -> Iterator[Image.Image]:
        nonlocal most
        for number in range(12):
            picture = _picture(seed=number)
            alive[number] = picture
            most = max(most, len(alive))
            yield picture

    views = views_of(read(), 12, 16)
    assert most <= 2
    np.testing.assert_array_equal(views, views_of([_picture(seed=n) for n in range(12)], 12, 16))

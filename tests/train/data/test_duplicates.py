"""Nearly the same photos are found, others are not; groups are what chains of pairs connect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from simulator.dataset import draw_photo
from simulator.pictures import DrawnPictures, generator
from train.data.duplicates import (
    NEARLY_SAME_BITS,
    brightness,
    brightness_correlation,
    groups,
    nearly_same,
    perceptual_hash,
)


def _photo(name: str, number: int) -> Image.Image:
    return draw_photo(DrawnPictures(), name, generator(number, name))


def _bits(one: Image.Image, other: Image.Image) -> int:
    return (perceptual_hash(np.asarray(one)) ^ perceptual_hash(np.asarray(other))).bit_count()


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.resize((130, 130)),
        lambda p: ImageEnhance.Brightness(p).enhance(1.3),
        lambda p: p.filter(ImageFilter.GaussianBlur(1.5)),
        lambda p: p.crop((3, 2, 254, 255)),
    ],
    ids=["smaller", "brighter", "blurred", "moved"],
)
def test_a_changed_copy_is_nearly_the_same(change: object) -> None:
    assert callable(change)
    for number in range(5):
        photo = _photo("Tea-Lemon", number)
        assert _bits(photo, change(photo)) <= NEARLY_SAME_BITS


def test_photos_of_different_cartons_are_not() -> None:
    photos = [_photo(name, 1) for name in ("Tea-Lemon", "Milk-Low-Fat", "Juice-Guava", "Noodles-Beef")]
    for index, one in enumerate(photos):
        assert all(_bits(one, other) > NEARLY_SAME_BITS for other in photos[:index])


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(0, 20))
def test_pairs_are_those_that_a_plain_comparison_finds(hashes: list[int], bits: int) -> None:
    expected = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= bits
    ]
    assert sorted(nearly_same(hashes, bits)) == expected


def test_more_photos_than_fit_into_one_comparison_are_all_compared() -> None:
    hashes = [*range(0, 3000 << 20, 1 << 20), 0]
    assert (0, 3000) in nearly_same(hashes, 0)


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_the_connected_parts(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = drawn
    found = groups(count, pairs)
    reach = np.eye(count, dtype=bool)
    for one, other in pairs:
        reach[one, other] = reach[other, one] = True
    for _ in range(count):
        reach = reach | (reach.astype(int) @ reach.astype(int) > 0)
    assert np.array_equal(found[:, None] == found[None, :], reach)
    assert sorted(set(found.tolist())) == list(range(len(set(found.tolist()))))


def test_likeness_is_one_for_a_copy_and_little_for_another_photo() -> None:
    photos = [np.asarray(_photo(name, 1)) for name in ("Tea-Lemon", "Milk-Low-Fat")]
    one, other = (brightness(photo) for photo in photos)
    assert brightness_correlation(one, one) == pytest.approx(1)
    assert brightness_correlation(one, brightness((photos[0] * 0.5 + 30).astype(np.uint8))) > 0.99
    assert brightness_correlation(one, other) < 0.9
    assert not brightness(np.full((40, 40, 3), 7, dtype=np.uint8)).any()

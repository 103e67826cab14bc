"""What scores low is judged over several parts of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.manifest import Blend, BlendPart, Calibration
from kardus.inference.multi_crop import CORNER_CROPS, PART_SIDE, mean_outputs, outputs_of, parts_of
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs

PROTOTYPES = np.zeros((2, 3), np.float32)


class Brightness:
    """A network of two classes, dark and light, that counts what it is asked."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.asked: list[int] = []

    def __call__(self, crops: Pixels) -> RawOutputs:
        """Its outputs."""
        self.asked.append(len(crops))
        mean = crops.mean(axis=(1, 2, 3)).astype(np.float32)
        embedding = np.stack([mean, mean**2 / 255, np.ones_like(mean)], axis=1)
        return RawOutputs(np.stack([255 - mean, mean], axis=1), embedding, np.zeros((len(crops), 2, 2), np.float32))


def _crops(count: int, side: int = 20) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def test_the_parts_are_the_corners_of_a_crop_as_large_as_itself() -> None:
    crop = np.zeros((1, 20, 20, 3), np.uint8)
    crop[:, :10, :10], crop[:, :10, 10:], crop[:, 10:, :10], crop[:, 10:, 10:] = 10, 60, 110, 160
    parts = parts_of(crop)
    assert parts.shape == (CORNER_CROPS, 20, 20, 3)
    for part, (corner, value) in zip(
        parts, (((0, 0), 10), ((0, -1), 60), ((-1, 0), 110), ((-1, -1), 160)), strict=True
    ):
        assert (part[corner] == value).all()
        share = (part[:, :, 0] == value).mean()
        assert share == pytest.approx((0.5 / PART_SIDE) ** 2, abs=0.08)  # half of the crop's width and height


@given(st.integers(1, 6), st.integers(8, 40))
def test_parts_come_crop_by_crop(count: int, side: int) -> None:
    crops = np.repeat(np.arange(count, dtype=np.uint8) * 40, side * side * 3).reshape(count, side, side, 3)
    parts = parts_of(crops)
    assert np.array_equal(parts, np.repeat(crops, CORNER_CROPS, axis=0))


def test_the_mean_is_over_the_crop_and_its_parts() -> None:
    crops, network = _crops(3), Brightness()
    outputs = network(crops)
    means = mean_outputs(outputs, crops, network)
    parts = network(parts_of(crops))
    for index in range(3):
        rows = np.concatenate(
            [outputs.logits[index : index + 1], parts.logits[index * CORNER_CROPS : (index + 1) * CORNER_CROPS]]
        )
        assert np.allclose(means.logits[index], rows.mean(axis=0), rtol=1e-5)
    assert np.array_equal(means.evidence, outputs.evidence)


def test_only_what_scores_low_costs_more() -> None:
    """The score is the largest logit: it is low for what is neither dark nor light."""
    crops = np.stack([np.full((20, 20, 3), value, np.uint8) for value in (0, 120, 250, 130)])
    crops[1, 0, 0], crops[3, 0, 0] = 255, 0  # so that their parts aren't all the same
    network = Brightness()
    alone = network(crops)
    network.asked.clear()
    told = Calibration(rejection_score="max_logit", multi_crop_below=200.0)
    outputs = outputs_of(crops, network, told, PROTOTYPES)
    assert network.asked == [4, 2 * CORNER_CROPS]
    assert np.array_equal(outputs.logits[[0, 2]], alone.logits[[0, 2]])
    assert not np.array_equal(outputs.logits[[1, 3]], alone.logits[[1, 3]])
    network.asked.clear()
    outputs_of(crops[[0, 2]], network, told, PROTOTYPES)
    assert network.asked == [2]


def test_what_is_beyond_all_that_is_known_is_judged_by_its_parts_too() -> None:
    """Its logits alone would be high enough."""
    part = BlendPart(center=0.0, spread=1.0)
    blend = Blend(max_logit=part, log_distance=part, farthest=0.0)
    network = Brightness()
    told = Calibration(rejection_score="blend", blend=blend, multi_crop_below=-1000.0)
    outputs_of(_crops(1), network, told, PROTOTYPES)
    assert network.asked == [1, CORNER_CROPS]

"""What a small network may answer: as much as it can for no more wrong matches than allowed."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from export.cascade_fit import LEAST_LIKELIHOOD, JudgedNetwork, fit_cascade
from kardus.contract.manifest import Calibration, CascadeFit, ClassInfo
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, UsageError

CLASSES = tuple(ClassInfo(name=name, category="x", sku=name) for name in ("a", "b", "c"))
NAMES = ["a", "b", "c"] * 50


def _network(logits: NDArray[np.float64], scores: NDArray[np.float64], least: float = -1e9) -> JudgedNetwork:
    """One with these logits (n, 3), whose rejection score is less the squared distance to the only prototype."""
    embedding = np.sqrt(-scores)[:, None].astype(np.float32)
    outputs = RawOutputs(logits.astype(np.float32), embedding, np.zeros((len(logits), 1, 1), np.float32))
    calibration = Calibration(rejection_score="distance", rejection_threshold=least)
    return JudgedNetwork(outputs, calibration, np.zeros((3, 1), np.float32))


def _sure(seed: int = 0, margin: float = 12.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right answers of photos at distances of their own; without their product the two others are equally likely."""
    rng = np.random.default_rng(seed)
    logits = margin * np.eye(3)[[NAMES.index(name) for name in NAMES]]
    return logits, -rng.uniform(1, 2, len(NAMES))


def _fit(small: JudgedNetwork, large: JudgedNetwork, names: Sequence[str] = NAMES, max_loss: float = 0.1) -> CascadeFit:
    groups = np.arange(len(names))
    return fit_cascade(small, large, CLASSES, names, groups, max_loss=max_loss, fitted_on="these")


def _yes(network: JudgedNetwork, fit: CascadeFit, rows: Sequence[int], skus: Sequence[str]) -> int:
    answers, scores = network.answers(CLASSES, None, rows)
    said = zip(answers, scores, skus, strict=True)
    return sum(seen.likelihood(sku) >= fit.likelihood and score >= fit.score for seen, score, sku in said)


def test_a_network_that_is_always_right_leaves_the_farthest_photos_to_the_large_one() -> None:
    network = _network(*_sure())
    fit = _fit(network, network)
    assert fit.likelihood == LEAST_LIKELIHOOD
    answered = _yes(network, fit, range(len(NAMES)), NAMES)
    assert answered == pytest.approx(0.7 * len(NAMES), abs=1)
    assert fit.answered.value == pytest.approx(answered / len(NAMES), abs=0.05)
    assert (fit.lost.value, fit.strangers.value, fit.answered.n, fit.fitted_on) == (0, 0, len(NAMES), "these")


def test_a_photo_that_it_takes_for_another_product_raises_the_threshold_unless_the_large_one_does_so_too() -> None:
    logits, scores = _sure(margin=8.0)
    logits[0], scores[0] = (0, 5, 0), -1.0  # an `a` that is surely a `b` to it, as near as any
    small, right = _network(logits, scores), _network(*_sure())
    assert _fit(small, small).likelihood == LEAST_LIKELIHOOD
    fit = _fit(small, right)
    assert fit.likelihood > small.answers(CLASSES, None, [0])[0][0].likelihood("b")
    assert _yes(small, fit, [0], ["b"]) == 0
    assert _fit(small, right, max_loss=1).likelihood == LEAST_LIKELIHOOD, "one of 150 may be lost"


def test_a_stranger_that_it_takes_for_a_product_is_left_to_the_large_one() -> None:
    logits, scores = _sure()
    logits[0], scores[0] = (12, 8, 0), -1.0  # without `a` it is surely a `b` to it
    fit = _fit(_network(logits, scores), _network(*_sure()))
    assert fit.likelihood > 1 / (1 + np.exp(-8))


def test_what_its_own_thresholds_reject_is_no_answer() -> None:
    small = _network(*_sure(), least=-1.2)
    fit = _fit(small, _network(*_sure()))
    assert fit.answered.value < 0.35


def test_the_cost_is_counted_on_photos_that_the_thresholds_were_not_fitted_on() -> None:
    logits, scores = _sure(margin=8.0)
    logits[0], scores[0] = (0, 5, 0), -1.0
    fit = _fit(_network(logits, scores), _network(*_sure()))
    assert fit.lost.value == pytest.approx(1 / len(NAMES)), "the only wrong photo was unknown to its own thresholds"


def test_too_few_photos_and_a_network_that_is_sure_of_nothing_are_refused() -> None:
    network = _network(*_sure())
    with pytest.raises(
        UsageError, match=r"--small: 99 photos that neither network was trained on are too few .*--data"
    ):
        _fit(JudgedNetwork(network.outputs, network.calibration, network.prototypes), network, NAMES[:99])
    unsure = _network(np.zeros((len(NAMES), 3)), _sure()[1])
    with pytest.raises(
        BundleError, match=r"not written: the small network is sure of none of 150 photos for 0\.1 points"
    ):
        _fit(unsure, network)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 3.0]))
def test_no_more_photos_are_lost_than_allowed_whatever_the_networks_say(seed: int, max_loss: float) -> None:
    rng = np.random.default_rng(seed)
    logits = 6 * np.eye(3)[[NAMES.index(name) for name in NAMES]] + rng.normal(0, 3, (len(NAMES), 3))
    small = _network(logits, -rng.uniform(1, 2, len(NAMES)))
    never = _network(logits, -np.ones(len(NAMES)), least=1e9)
    try:
        fit = _fit(small, never, max_loss=max_loss)
    except BundleError:
        return
    rows = range(len(NAMES))
    answers, _ = small.answers(CLASSES, None, rows)
    likeliest = [next(s.sku for s in seen.skus if s.sku != name) for seen, name in zip(answers, NAMES, strict=True)]
    assert _yes(small, fit, rows, likeliest) <= max_loss / 100 * len(NAMES)
    assert _yes(small, fit, rows, NAMES) > 0

"""What a lower precision may cost, and the search for layers that must stay in float."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.precision_search import AccuracyJudge, LayerNoise, drop, search_precision
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError

N = 200
CLASSES = [ClassInfo(name=name, category="c", sku=name) for name in "ab"]


def _answers(right: int) -> RawOutputs:
    """Answers to N crops of class 0, so many of them right."""
    logits = np.zeros((N, 2), np.float32)
    logits[:right, 0] = logits[right:, 1] = 1
    return RawOutputs(logits, np.zeros((N, 2), np.float32), np.zeros((N, 1, 1), np.float32))


def _judge(right: int = 190, max_drop: float = 0.5) -> AccuracyJudge:
    return AccuracyJudge(_answers(right), ["a"] * N, CLASSES, Calibration(), max_drop, 64)


class Layers:
    """A model that gets better by one right answer with every layer left in float."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.asked: list[tuple[str, ...]] = []

    def model(self, in_float: Collection[str] = ()) -> bytes:
        self.asked.append(tuple(in_float))
        return bytes([len(in_float)])

    def ranking(self) -> list[LayerNoise]:
        return [LayerNoise(name, float(place)) for place, name in enumerate(self.names)]


@given(before=st.integers(0, N), now=st.integers(0, N), allowed=st.floats(0, 100))
def test_a_drop_is_in_points_and_holds_up_to_what_is_allowed(before: int, now: int, allowed: float) -> None:
    judge = _judge(before, allowed)
    found = judge.judge(_answers(now))
    assert drop(found) == pytest.approx((before - now) / N * 100)
    assert judge.holds(found) == ((before - now) / N * 100 <= allowed + 1e-9)
    assert found.agreement == pytest.approx(1 - abs(before - now) / N)
    assert (found.accuracy.n, found.calibration_crops, found.max_drop) == (N, 64, allowed)


def test_layers_are_left_in_float_one_by_one_noisiest_first_until_it_holds() -> None:
    layers, on_step = Layers(["a", "b", "c", "d"]), list[str]()
    found = search_precision(_judge(190), layers, lambda model: _answers(186 + model[0]), on_step.append)
    assert layers.asked == [(), ("a",), ("a", "b"), ("a", "b", "c")]
    assert found.in_float == ("a", "b", "c")
    assert drop(found) == pytest.approx(0.5)
    assert on_step[0] == "0 layers left in float: 2.00 points lost, same class on 98.0 %"
    assert len(on_step) == 4


def test_a_model_that_holds_at_once_is_not_ranked() -> None:
    class NoRanking(Layers):
        def ranking(self) -> list[LayerNoise]:
            raise AssertionError("ranking takes a pass through both models")

    found = search_precision(_judge(), NoRanking(["a"]), lambda _: _answers(190), lambda _: None)
    assert found.in_float == ()


def test_a_search_in_vain_names_points_and_layers() -> None:
    with pytest.raises(BundleError) as caught:
        search_precision(_judge(), Layers(["a", "b", "c", "d"]), lambda _: _answers(150), lambda _: None)
    message = str(caught.value)
    assert "loses 20.00 points by class on 200 photos (allowed: 0.5) with every layer tried in float" in message
    assert "the noisiest: a (0 dB), b (1 dB), c (2 dB): allow more with --max-drop" in message


def test_a_precision_without_choices_is_refused_without_naming_layers() -> None:
    with pytest.raises(BundleError, match=r"\(allowed: 0\.5\): allow more with --max-drop"):
        search_precision(_judge(), Layers([]), lambda _: _answers(150), lambda _: None)

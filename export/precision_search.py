"""Searches for the layers to leave in float, by accuracy on photos that were neither trained nor calibrated on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kardus.contract.manifest import Calibration, ClassInfo, LowerPrecision, Metric
from kardus.inference.classification import interpret
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError
from train.evaluation.metrics import proportion


@dataclass(frozen=True)
class LayerNoise:
    """The quantisation noise of a layer."""

    node: str
    ratio_db: float
    """Signal-to-quantisation-noise ratio of its weights or its output, whichever is worse, in decibels."""


class PrecisionLowering(Protocol):
    """Makes versions of lower precision of one model."""

    def model(self, in_float: Collection[str] = ()) -> bytes:
        """The model with the named nodes left in float."""

    def ranking(self) -> list[LayerNoise]:
        """The layers that can be left in float, the noisiest first."""


@dataclass(frozen=True)
class AccuracyJudge:
    """Labelled photos, with the outputs of the model in FP32."""

    answers: RawOutputs
    """Of the model in FP32."""
    names: Sequence[str]
    """(N,): the true classes."""
    classes: Sequence[ClassInfo]
    calibration: Calibration
    max_drop: float
    """Percentage points of accuracy by class that may be lost."""
    calibration_crops: int

    def judge(self, lowered: RawOutputs, in_float: Sequence[str] = ()) -> LowerPrecision:
        """Evaluate the outputs of a model of lower precision."""
        before, now = self._named(self.answers), self._named(lowered)
        return LowerPrecision(
            accuracy_before=self._proportion(before),
            accuracy=self._proportion(now),
            agreement=float(np.mean([one == other for one, other in zip(before, now, strict=True)])),
            max_drop=self.max_drop,
            calibration_crops=self.calibration_crops,
            in_float=tuple(in_float),
        )

    def holds(self, found: LowerPrecision) -> bool:
        """Whether no more accuracy is lost than `max_drop`."""
        return drop(found) <= self.max_drop + 1e-9

    def _named(self, outputs: RawOutputs) -> list[str]:
        """The predicted classes as the agent names them, without unknown rejection."""
        scores = np.zeros(len(outputs.logits), np.float32)
        return [answer.name for answer in interpret(outputs.logits, self.classes, self.calibration, scores)]

    def _proportion(self, named: Sequence[str]) -> Metric:
        hits = sum(one == other for one, other in zip(named, self.names, strict=True))
        return proportion("class", hits, len(self.names))


def drop(found: LowerPrecision) -> float:
    """Percentage points of accuracy by class that were lost; negative where some were gained."""
    return 100 * (found.accuracy_before.value - found.accuracy.value)


def search_precision(
    judge: AccuracyJudge,
    lowering: PrecisionLowering,
    answer: Callable[[bytes], RawOutputs],
    on_step: Callable[[str], None],
) -> LowerPrecision:
    """Leave the noisiest layers in float, one more at a time, until the accuracy holds.

    Args:
        judge: evaluates each model.
        lowering: makes a model with some layers in float.
        answer: gives such a model's outputs for the judge's crops.
        on_step: called with a line on every step.

    Raises:
        BundleError: no choice of layers keeps the accuracy; the message names the loss and the noisiest layers.
    """
    kept: list[str] = []
    noisy: list[LayerNoise] | None = None
    while True:
        found = judge.judge(answer(lowering.model(kept)), kept)
        same = 100 * found.agreement
        on_step(f"{len(kept)} layers left in float: {drop(found):.2f} points lost, same class on {same:.1f} %")
        if judge.holds(found):
            return found
        noisy = lowering.ranking() if noisy is None else noisy
        if len(kept) == len(noisy):
            raise BundleError(_refusal(found, noisy))
        kept = [layer.node for layer in noisy[: len(kept) + 1]]


def _refusal(found: LowerPrecision, noisy: Sequence[LayerNoise]) -> str:
    worst = ", ".join(f"{layer.node} ({layer.ratio_db:.0f} dB)" for layer in noisy[:3])
    layers = f" with every layer tried in float; the noisiest: {worst}" if noisy else ""
    calibrate = ", calibrate on other photos (--calibrate)" if noisy else ""
    return (
        f"not written: the lower precision loses {drop(found):.2f} points by class on {found.accuracy.n} photos "
        f"(allowed: {found.max_drop:g}){layers}: allow more with --max-drop{calibrate}, or use --precision fp32"
    )

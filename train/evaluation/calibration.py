"""Calibration on held-out photos: temperature scaling, and thresholds of the rejection score.

Two thresholds, since errors differ in cost: a crop that is classified as the expected product is called unknown only
below the lower one (rejection). One that is classified as another product is an alert anyway: below the higher one
(doubt) that product isn't named.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Blend, BlendPart, Calibration, RejectionScore
from kardus.inference.classification import blended, log_nearness, rejection_scores, softmax
from kardus.inference.multi_crop import Run, mean_outputs
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import DataError
from kardus.support.files import write_whole
from train.evaluation.metrics import fit_temperature, proportion

REJECTION_SCORE: RejectionScore = "blend"
"""The best one at rejecting products and objects that were left out of training: see docs/results.md."""
SURE = 0.6
"""Photos that are named right, but with less likelihood, are hard for other reasons than that they are unknown: they
are `uncertain` anyway, and don't set the threshold of what is doubted. `verdict.match_likelihood` has it as default."""
FALSE_ALARM_RATE = 0.001
"""Largest proportion of known cartons that may be rejected as unknown."""
ENOUGH = 5
"""From so many known photos below a threshold it is taken from them as they are."""
MIN_TAIL_SCORES, THRESHOLD_MARGIN = 25, 0.75
MIN_TAIL, TAIL_SHARE = 20, 0.2
LIGHTEST_TAIL, HEAVIEST_TAIL = -0.5, 0.3
"""The range of a tail's shape: what some twenty photos say of it is uncertain."""
FIT_PHOTOS = 40
"""A threshold that is fitted to few photos has more below it than it says: the rate is fitted for times n / (n + this).
Found by drawing n = 45 to 700 scores from normal, Student's, Gumbel's and beta distributions."""
MULTI_CROP_SHARE = 0.2
"""The share of known photos that are judged over several parts: in those, strangers and what is hard are mixed."""
MIN_SPREAD = 1e-3
DOUBT_RATE = 0.01
"""Largest proportion of the correctly and surely classified known cartons that may be doubted."""
HELD_OUT_FILE = "held_out.npz"
Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """A network's outputs for photos that it was not trained on."""

    logits: NDArray[np.float32]
    """(n, classes)."""
    scores: NDArray[np.float32]
    """(n,): the score `distance`, of which, with the logits, the score `blend` is made."""
    labels: NDArray[np.int64]
    """(n,)."""
    multi_crop: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    """Logits and scores over several parts of each photo; None: not known."""

    @classmethod
    def joined(cls, parts: Sequence["HeldOut"]) -> "HeldOut":
        """Those of several networks, one or more, as of one; over parts of the photos where all have it."""
        means = [part.multi_crop for part in parts if part.multi_crop]
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.labels for part in parts]),
            (np.concatenate([m[0] for m in means]), np.concatenate([m[1] for m in means]))
            if len(means) == len(parts)
            else None,
        )


def keep_answers(path: Path, answers: HeldOut) -> None:
    """Write the outputs for held-out photos, whole or not at all."""
    arrays: dict[str, Any] = {"logits": answers.logits, "scores": answers.scores, "labels": answers.labels}
    if answers.multi_crop:
        arrays |= dict(zip(("mean_logits", "mean_scores"), answers.multi_crop, strict=True))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def read_answers(path: Path) -> HeldOut:
    """Read what `keep_answers` wrote.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            means = (kept["mean_logits"], kept["mean_scores"]) if "mean_logits" in kept else None
            return HeldOut(kept["logits"], kept["scores"], kept["labels"], means)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: can't be read: remove its folder, so that this fold is trained again") from error


def held_out(
    outputs: RawOutputs, crops: Pixels, labels: NDArray[np.int64], prototypes: NDArray[np.float32], run: Run
) -> HeldOut:
    """A network's outputs for labelled crops (n, S, S, 3) uint8 RGB, n from 1, and those over several parts of each."""
    means = mean_outputs(outputs, crops, run)
    scores, of_means = (rejection_scores("distance", o.logits, o.embedding, prototypes) for o in (outputs, means))
    return HeldOut(outputs.logits, scores, labels, (means.logits, of_means))


def settled(answers: HeldOut, calibration: Calibration) -> HeldOut:
    """What the agent would judge by: of photos that score low, the outputs over several parts."""
    below, means = calibration.multi_crop_below, answers.multi_crop
    if below is None or means is None:
        return answers
    low = blended(answers.logits.max(axis=1), answers.scores, calibration.blend) < below
    logits, scores = (np.where(low[:, None], means[0], answers.logits), np.where(low, means[1], answers.scores))
    return HeldOut(logits, scores, answers.labels)


def calibrate(answers: HeldOut, fitted_on: str) -> Calibration:
    """Fit temperature, the scale of the score and its thresholds on the outputs for held-out photos.

    The scale is that of whole photos; temperature and thresholds are of what the agent judges by (`settled`).
    """
    if not len(answers.labels):
        return Calibration(rejection_score="distance", rejection_threshold=-1e9, fitted_on=fitted_on)
    blend = blend_of(answers, answers.logits.argmax(axis=1) == answers.labels)
    first = Calibration(rejection_score=REJECTION_SCORE, blend=blend, fitted_on=fitted_on)
    if answers.multi_crop:
        whole = blended(answers.logits.max(axis=1), answers.scores, blend)
        first = first.model_copy(update={"multi_crop_below": _lowest_fifth(whole.astype(np.float64))})
    return _with_thresholds(first, blend, settled(answers, first))


def _with_thresholds(first: Calibration, blend: Blend, answers: HeldOut) -> Calibration:
    temperature = fit_temperature(answers.logits.astype(np.float64), answers.labels)
    right = answers.logits.argmax(axis=1) == answers.labels
    sure = right & (softmax(answers.logits / temperature).max(axis=1) >= SURE)
    top = answers.logits.max(axis=1)
    scores = blended(top, answers.scores, blend).astype(np.float64)
    threshold = threshold_at(scores, FALSE_ALARM_RATE)
    doubt = max(threshold, threshold_at(scores[sure], DOUBT_RATE)) if sure.any() else threshold
    blend = blend.model_copy(update={"farthest": farthest_of(answers, right)})
    scores = blended(top, answers.scores, blend).astype(np.float64)
    doubted = proportion("doubted", int((scores[sure] < doubt).sum()), int(sure.sum())) if sure.any() else None
    return first.model_copy(
        update={
            "temperature": temperature,
            "rejection_threshold": threshold,
            "doubt_threshold": doubt,
            "blend": blend,
            "doubted": doubted,
            "false_alarm_rate": float((scores < threshold).mean()),
            "n": len(answers.labels),
        }
    )


def _lowest_fifth(scores: Float64Array) -> float | None:
    """Below which score MULTI_CROP_SHARE of them (n,) are, between two of them; None where that is none."""
    ordered, count = np.sort(scores), int(MULTI_CROP_SHARE * len(scores))
    return float(ordered[count - 1 : count + 1].mean()) if count else None


def blend_of(answers: HeldOut, right: NDArray[np.bool_]) -> Blend:
    """The scale of the score `blend`: median and standard deviation of each part over the photos named right (n,).

    Over all photos where none is named right.
    """
    chosen = right if right.any() else np.ones_like(right)
    parts = (answers.logits.max(axis=1)[chosen], log_nearness(answers.scores)[chosen])
    max_logit, log_distance = (
        BlendPart(center=float(np.median(values)), spread=max(float(values.std()), MIN_SPREAD)) for values in parts
    )
    return Blend(max_logit=max_logit, log_distance=log_distance)


def farthest_of(answers: HeldOut, right: NDArray[np.bool_]) -> float:
    """How far known photos are from every prototype at most, as minus the logarithm of the squared distance.

    What is no carton is further than any, but its logits are no smaller than those of a carton that is hard to read, so
    that the distance has a limit of its own. Its logarithm is close to normal: from that FALSE_ALARM_RATE is taken. No
    photo that is named rightly (n,) may be beyond.
    """
    nearness = log_nearness(answers.scores).astype(np.float64)
    if len(nearness) < MIN_TAIL_SCORES:
        return threshold_at(nearness, FALSE_ALARM_RATE)
    limit = np.median(nearness) + NormalDist().inv_cdf(FALSE_ALARM_RATE) * nearness.std()
    return float(min(nearness[right].min(initial=limit), limit))


def threshold_at(scores: Float64Array, rate: float) -> float:
    """The score below which a known crop falls with the given probability, from scores (n,) of known crops.

    With photos enough, the k-th smallest, k = rate (n + 1), rounded down (conformal: Vovk et al., 2005). With fewer,
    the lowest TAIL_SHARE of the scores say how fast they thin out (see `excess`), so that no single photo that is hard
    decides. With fewer than MIN_TAIL_SCORES there is no tail: THRESHOLD_MARGIN standard deviations below the smallest.
    """
    count, ordered = len(scores), np.sort(scores)
    place = math.floor(rate * (count + 1))
    if place >= ENOUGH:
        return float(ordered[place - 1])
    if count < MIN_TAIL_SCORES:
        return float(ordered[0] - THRESHOLD_MARGIN * scores.std())
    tail = max(MIN_TAIL, round(TAIL_SHARE * count))
    fit_rate = rate * count / (count + FIT_PHOTOS)
    return float(ordered[tail] - excess(ordered[tail] - ordered[:tail], fit_rate * count / tail))


def excess(values: Float64Array, probability: float) -> float:
    """What values (m,), 0 or more, exceed with this probability, by a generalised Pareto distribution.

    Excesses over a high threshold have it, whatever the scores' own distribution is (Pickands, 1975). Fitted by
    probability-weighted moments (Hosking and Wallis, Technometrics 1987), which one extreme value moves little.
    """
    ordered = np.sort(values)
    below = (np.arange(1, len(ordered) + 1) - 0.35) / len(ordered)
    mean, weighted = float(ordered.mean()), float((ordered * (1 - below)).mean())
    shape = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else 0.0
    shape = min(max(shape, LIGHTEST_TAIL), HEAVIEST_TAIL)
    scale = mean * (1 - shape)
    if abs(shape) < 1e-6:  # noqa: PLR2004 - the limit: an exponential distribution
        return float(-scale * math.log(probability))
    return float(scale * (probability**-shape - 1) / shape)

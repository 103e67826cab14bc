"""When the small network of a cascade may answer, fitted on photos that neither network was trained on.

It is only asked whether a crop shows what is expected, and a yes to what is really there is always right. So what it
can spoil is a yes to something else: to another product of the class table, or to a stranger. Both are provoked for
every photo in the worst way: what is expected is what the small network finds likeliest beside the truth; and a
stranger is the photo itself, with its own product taken out of both networks' classes. What the large network would
call a match there too is no loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import EMPTY_CLASS, Calibration, CascadeFit, ClassInfo
from kardus.inference.classification import Classification, interpret, rejection_scores
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, UsageError
from train.evaluation.calibration import SURE
from train.evaluation.metrics import proportion

Floats = NDArray[np.float64]
FEWEST_PHOTOS = 100
"""Fewer say nothing of a loss of a tenth of a point, or of one point."""
FOLDS = 5
LEAST_LIKELIHOOD = 0.9
LEAST_LEFT, MOST_LEFT, SCORES = 0.3, 0.8, 50
"""So many rejection scores are tried, from that which three of ten photos are below to that of eight of ten. A stranger
that is provoked is easier than a true one, since both networks were trained on it: where lower scores were tried, none
of the former was lost, and 46 % of products that were left out of training passed (docs/adr/0044-cascade.md)."""
MARGIN_ODDS = 2.0
"""The expected product must be at so much greater odds than in any photo where a yes would have been wrong."""


@dataclass(frozen=True)
class JudgedNetwork:
    """A network's outputs for n photos that it wasn't trained on, and how they are read."""

    outputs: RawOutputs
    calibration: Calibration
    prototypes: NDArray[np.float32]
    """(classes, d)."""

    def answers(
        self, classes: Sequence[ClassInfo], without: str | None, rows: Sequence[int]
    ) -> tuple[list[Classification], NDArray[np.float32]]:
        """What it says of some photos, and their rejection scores; where it doesn't know the product `without`."""
        kept = [place for place, info in enumerate(classes) if info.sku != without]
        logits, embedding = self.outputs.logits[np.ix_(rows, kept)], self.outputs.embedding[rows]
        told = self.calibration
        scores = rejection_scores(told.rejection_score, logits, embedding, self.prototypes[kept], told.blend)
        return interpret(logits, [classes[place] for place in kept], told, scores), scores


@dataclass(frozen=True)
class _Asked:
    """The small network's answers to one question for each of n photos."""

    likelihood: Floats
    """(n,): of the product asked for; -1 where it can't be a yes: it is doubted, or the question isn't put."""
    score: Floats
    """(n,): the rejection score."""

    def chosen(self, rows: NDArray[np.bool_]) -> "_Asked":
        """Some of them."""
        return _Asked(self.likelihood[rows], self.score[rows])

    def yes(self, likelihood: float, score: float) -> int:
        """How many it says yes to."""
        return int(((self.likelihood >= likelihood) & (self.score >= score)).sum())


@dataclass(frozen=True)
class _Questions:
    """The three questions for each photo; of the last two only where a yes would be wrong, and the large one's no."""

    own: _Asked
    other: _Asked
    stranger: _Asked

    def chosen(self, rows: NDArray[np.bool_]) -> "_Questions":
        return _Questions(self.own.chosen(rows), self.other.chosen(rows), self.stranger.chosen(rows))


def fit_cascade(
    small: JudgedNetwork,
    large: JudgedNetwork,
    classes: Sequence[ClassInfo],
    names: Sequence[str],
    groups: NDArray[np.int64],
    *,
    max_loss: float,
    fitted_on: str,
) -> CascadeFit:
    """Let the small network answer as many photos as it can for at most `max_loss` points of them lost.

    The thresholds are fitted on all photos. What they cost is counted on each fifth of the photos, with thresholds that
    were fitted on the others.

    Args:
        small: the small network's outputs.
        large: the large one's, for the same photos.
        classes: of both.
        names: (n,), the photos' classes.
        groups: (n,), photos of one burst share one.
        max_loss: percentage points.
        fitted_on: names the photos.

    Raises:
        UsageError: the photos are too few.
        BundleError: the small network is sure of none.
    """
    if len(names) < FEWEST_PHOTOS:
        raise UsageError(
            f"--small: {len(names)} photos that neither network was trained on are too few to say what it is sure of "
            f"({FEWEST_PHOTOS} are needed): name more with --data"
        )
    sku_of = {info.name: info.sku for info in classes}
    asked = _ask(small, large, classes, [sku_of[name] for name in names])
    likelihood, score = _thresholds(asked, max_loss)
    if not asked.own.yes(likelihood, score):
        raise BundleError(
            f"not written: the small network is sure of none of {len(names)} photos for {max_loss:g} points lost: "
            "train it better, allow more with --max-loss, or leave out --small"
        )
    counted = _counted_on_others(asked, groups, max_loss)
    metrics = {name: proportion(name, count, len(names)) for name, count in counted.items()}
    return CascadeFit(likelihood=likelihood, score=score, max_loss=max_loss, fitted_on=fitted_on, **metrics)


def _counted_on_others(asked: _Questions, groups: NDArray[np.int64], max_loss: float) -> dict[str, int]:
    """How many photos are answered, lost, and taken as strangers, each by thresholds of other photos' groups (n,)."""
    counted, fold_of = np.zeros(3, int), groups % FOLDS
    for fold in range(FOLDS):
        at = _thresholds(asked.chosen(fold_of != fold), max_loss)
        part = asked.chosen(fold_of == fold)
        counted += [part.own.yes(*at), part.other.yes(*at), part.stranger.yes(*at)]
    return dict(zip(("answered", "lost", "strangers"), counted.tolist(), strict=True))


def _ask(small: JudgedNetwork, large: JudgedNetwork, classes: Sequence[ClassInfo], skus: Sequence[str]) -> _Questions:
    count = len(skus)
    own, other, stranger = (np.full((count, 2), -1.0) for _ in range(3))
    everything = range(count)
    by_small, by_large = (network.answers(classes, None, everything) for network in (small, large))
    for row, (sku, seen, score, judged) in enumerate(zip(skus, *by_small, by_large[0], strict=True)):
        likeliest = next((found.sku for found in seen.skus if found.sku != sku), sku)
        own[row] = _yes(seen, sku), score
        other[row] = -1.0 if _is_match(judged, likeliest) else _yes(seen, likeliest), score
    for sku in sorted(set(skus) - {EMPTY_CLASS}):
        rows = [row for row in everything if skus[row] == sku]
        without, without_large = (network.answers(classes, sku, rows) for network in (small, large))
        for row, seen, score, judged in zip(rows, *without, without_large[0], strict=True):
            stranger[row] = -1.0 if _is_match(judged, seen.sku) else _yes(seen, seen.sku), score
    return _Questions(*(_Asked(found[:, 0], found[:, 1]) for found in (own, other, stranger)))


def _yes(seen: Classification, sku: str) -> float:
    return seen.likelihood(sku) if seen.known and not seen.doubted else -1.0


def _is_match(seen: Classification, sku: str) -> bool:
    return _yes(seen, sku) >= SURE


def _thresholds(asked: _Questions, max_loss: float) -> tuple[float, float]:
    """Likelihood and score with the most answers, of those with no more wrong ones than allowed."""
    allowed = math.floor(max_loss / 100 * len(asked.own.score) + 1e-9)
    tried = np.quantile(asked.own.score, np.linspace(LEAST_LEFT, MOST_LEFT, SCORES))
    found = [(_least_likelihood(asked, float(score), allowed), float(score)) for score in tried]
    usable = [at for at in found if at[0] <= 1] or [(1.0, float(asked.own.score.max()) + 1)]
    return max(usable, key=lambda at: (asked.own.yes(*at), at))


def _least_likelihood(asked: _Questions, score: float, allowed: int) -> float:
    least = LEAST_LIKELIHOOD
    for wrong in (asked.other, asked.stranger):
        ordered = np.sort(wrong.likelihood[wrong.score >= score])[::-1]
        if len(ordered) > allowed and ordered[allowed] > 0:
            odds = MARGIN_ODDS * ordered[allowed] / max(1 - ordered[allowed], 1e-9)
            least = max(least, float(odds / (1 + odds)), float(np.nextafter(ordered[allowed], 2)))
    return least

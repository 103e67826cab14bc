"""Evaluates the small network of a cascade: how much it answers, and what it calls a match that the large one doesn't.

The large network alone is what every other figure of an evaluation is of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kardus.contract.manifest import Metric
from kardus.inference.cascade import SmallNetwork
from kardus.inference.classification import Classification, MatchQuestion
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from train.data.data_set import DataSet
from train.data.photos import load_crops
from train.evaluation.calibration import SURE
from train.evaluation.evaluation import Evaluation, is_named, unlabelled
from train.evaluation.metrics import proportion
from train.evaluation.predictor import BundlePredictor, Predictor

PORTION = 64


@dataclass(frozen=True)
class CascadeEvaluation:
    """The metrics of the small network."""

    answered: Metric
    """The proportion of photos that it answers where their own product is expected."""
    lost: Metric
    """The proportion that it calls a match where what it finds likeliest beside their own product is expected, and the
    large network doesn't."""
    strangers: Metric | None
    """The same of unknown photos, where what it finds likeliest is expected; None: there are none."""


def evaluate_cascade(model: Predictor, result: Evaluation, unknown: Path | None) -> CascadeEvaluation | None:
    """Evaluate it on the photos of an evaluation, and on out-of-distribution photos; None where there is none.

    Args:
        model: what was evaluated.
        result: what was found.
        unknown: a data set, or a plain folder of photos without labels.

    Raises:
        DataError: a photo is unreadable.
    """
    if not isinstance(model, BundlePredictor) or model.small is None:
        return None
    small = model.small
    photos = DataSet(Path(), tuple(p.sample for p in result.predictions), ())
    crops = load_crops(photos, small.classifier.size_px, "Reading photos")
    own = [result.sku_of[p.sample.name] for p in result.predictions]
    others = [
        _likeliest(seen, but) for seen, but in zip(_in_portions(small.classifier.classify, crops), own, strict=True)
    ]
    return CascadeEvaluation(
        proportion("answered", sum(_yes(small, crops, own)), len(own)),
        proportion("lost", _alone(small, crops, others, [p.answer for p in result.predictions]), len(own)),
        _strangers(model.classifier, small, unknown) if unknown else None,
    )


def _strangers(large: Classifier, small: SmallNetwork, unknown: Path) -> Metric:
    crops = load_crops(unlabelled(unknown), small.classifier.size_px, "Reading photos")
    likeliest = [_likeliest(seen, "") for seen in _in_portions(small.classifier.classify, crops)]
    return proportion("strangers", _alone(small, crops, likeliest, _in_portions(large.classify, crops)), len(crops))


def _alone(small: SmallNetwork, crops: Pixels, expected: Sequence[str], by_large: Sequence[Classification]) -> int:
    """How often the small network says yes, and the large one wouldn't."""
    said = zip(_yes(small, crops, expected), expected, by_large, strict=True)
    return sum(is_yes and not (is_named(seen) and seen.sku == sku) for is_yes, sku, seen in said)


def _yes(small: SmallNetwork, crops: Pixels, expected: Sequence[str]) -> list[bool]:
    asked = [MatchQuestion(sku, SURE) for sku in expected]
    starts = range(0, len(crops), PORTION)
    parts = [small.answer(crops[i : i + PORTION], asked[i : i + PORTION]) for i in starts]
    return [answer is not None for part in parts for answer in part]


def _likeliest(seen: Classification, but: str) -> str:
    return next((score.sku for score in seen.skus if score.sku != but), "")


def _in_portions(classify: Callable[[Pixels], list[Classification]], crops: Pixels) -> list[Classification]:
    return [answer for i in range(0, len(crops), PORTION) for answer in classify(crops[i : i + PORTION])]

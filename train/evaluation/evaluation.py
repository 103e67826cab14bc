"""Evaluates a model on labelled photos: accuracy by class, SKU and category, calibration, unknown rejection."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import ClassInfo, Metric, RejectionScore
from kardus.inference.classification import Classification, interpret, rejection_scores
from kardus.inference.photo_files import FolderContent, hidden_note, left_out_notes, sort_folder
from kardus.support.errors import DataError
from kardus.support.files import write_whole
from kardus.support.spelling import require_utf8
from train.data.data_set import DataSet, Sample, read_data
from train.data.photos import load_crops
from train.data.splits import all_trained, with_split
from train.evaluation.calibration import SURE
from train.evaluation.metrics import auroc, calibration_error, proportion
from train.evaluation.predictor import Predictor
from train.evaluation.selective_classification import McNemar, mcnemar


@dataclass(frozen=True)
class Prediction:
    """The model's prediction for one photo."""

    sample: Sample
    answer: Classification
    score: float
    """The rejection score that the model's threshold applies to."""
    scores: dict[RejectionScore, float]
    """The values of all rejection scores."""
    unscaled: float
    """The confidence of this answer without temperature scaling."""


@dataclass(frozen=True)
class Rejection:
    """Unknown rejection: how well out-of-distribution photos are told from known ones."""

    auroc: float
    """Of the score that the model uses."""
    by_score: dict[RejectionScore, float]
    """The AUROC of every score."""
    rejected: Metric
    """The proportion of unknown photos that the model's threshold rejects."""
    false_alarms: Metric
    """The proportion of known photos that it rejects."""
    taken: Metric
    """The proportion of unknown photos that are surely taken for a product: neither rejected nor doubted."""
    doubted: Metric
    """The proportion of known photos, named rightly and surely, that are rejected or doubted."""
    notes: tuple[str, ...] = ()
    """On what of the unknown photos was left out, each a line."""


@dataclass(frozen=True)
class Evaluation:
    """All the metrics of one evaluation."""

    overall: dict[str, Metric]
    """Accuracy by `class`, `sku` and `category`."""
    by_class: tuple[Metric, ...]
    by_sku: tuple[Metric, ...]
    by_category: tuple[Metric, ...]
    calibration_error: float
    error_without_temperature: float
    """The calibration error without temperature scaling."""
    calibrated_on_these: bool
    """Whether the temperature was fitted on some of these photos, so that the calibration error is optimistic."""
    trained_on_these: int
    """How many of these photos the model was trained on, which makes every metric optimistic."""
    left_out: dict[str, int]
    """Classes that the model doesn't know, with the number of their photos, which are left out of every metric."""
    predictions: tuple[Prediction, ...]
    sku_of: dict[str, str]
    """The product of each class, as the model knows it."""


def evaluate(model: Predictor, data: DataSet, split: str) -> Evaluation:
    """Evaluate the model on one split of a data set ("all": on every photo).

    Where the data set marks no split and is the one that the model was trained on, it is split as it was then.

    Raises:
        DataError: no photo is of a class that the model knows, or a photo is unreadable.
    """
    own = _as_trained(model, data)
    chosen = (own or data).select(split)
    known = {info.name: info for info in model.classes}
    left_out = Counter(sample.name for sample in chosen.samples if sample.name not in known)
    samples = tuple(sample for sample in chosen.samples if sample.name in known)
    if not samples:
        raise DataError(f"{data.source}: no photo is of a class that the model knows ({', '.join(sorted(left_out))})")
    predictions = _predict(model, replace(chosen, samples=samples))
    truth = [known[p.sample.name] for p in predictions]
    right = {
        "class": [p.answer.name == t.name for p, t in zip(predictions, truth, strict=True)],
        "sku": [p.answer.sku == t.sku for p, t in zip(predictions, truth, strict=True)],
        "category": [p.answer.category == t.category for p, t in zip(predictions, truth, strict=True)],
    }
    confidence = np.array([p.answer.confidence for p in predictions])
    return Evaluation(
        overall={level: proportion(level, sum(hits), len(hits)) for level, hits in right.items()},
        by_class=_grouped(truth, right["class"], "name"),
        by_sku=_grouped(truth, right["sku"], "sku"),
        by_category=_grouped(truth, right["category"], "category"),
        calibration_error=calibration_error(confidence, np.array(right["sku"])),
        error_without_temperature=calibration_error(
            np.array([p.unscaled for p in predictions]), np.array(right["sku"])
        ),
        calibrated_on_these=own is not None and any(sample.split == "val" for sample in samples),
        trained_on_these=sum(s.split in model.origin.trained_on for s in samples) if own else 0,
        left_out=dict(sorted(left_out.items())),
        predictions=predictions,
        sku_of={name: info.sku for name, info in known.items()},
    )


def _as_trained(model: Predictor, data: DataSet) -> DataSet | None:
    """The data set split as it was for training; None if it isn't the one that the model was trained on."""
    origin = model.origin
    try:
        split = all_trained(data) if origin.trained_on_all else with_split(data, origin.val_fraction, origin.seed)
    except DataError:  # a class with a single photo can't be split: it was not trained on
        return None
    return split if split.sha256() == origin.data_sha256 else None


def measure_rejection(model: Predictor, known: Evaluation, unknown: Path) -> Rejection:
    """Measure unknown rejection: the scores of known photos against those of out-of-distribution photos.

    `unknown` is a data set, or a plain folder of photos without labels.
    """
    photos = _unlabelled(unknown)
    predictions = _predict(model, photos)
    known_scores = np.array([p.score for p in known.predictions])
    unknown_scores = np.array([p.score for p in predictions])
    threshold = model.calibration.rejection_threshold
    by_score = {kind: auroc(_all(known.predictions, kind), _all(predictions, kind)) for kind in usable_scores(model)}
    return Rejection(
        auroc(known_scores, unknown_scores),
        by_score,
        proportion("rejected", int((unknown_scores < threshold).sum()), len(unknown_scores)),
        proportion("false alarms", int((known_scores < threshold).sum()), len(known_scores)),
        proportion("taken", sum(_is_named(p.answer) for p in predictions), len(predictions)),
        _doubted(known),
        photos.notes,
    )


def _is_named(answer: Classification) -> bool:
    """Whether it would be a match where this product is expected, by the agent's default rules."""
    return answer.known and not answer.doubted and answer.confidence >= SURE


def _doubted(known: Evaluation) -> Metric:
    sure = [p for p in known.predictions if _is_right(p, known) and p.answer.confidence >= SURE]
    return proportion("doubted", sum(not _is_named(p.answer) for p in sure), len(sure))


def usable_scores(model: Predictor) -> tuple[RejectionScore, ...]:
    """The rejection scores that the model has.

    All; without the scale of `blend` (models of before it was) all but that; in an unfinished run without prototypes
    the logits' alone.
    """
    if not len(model.prototypes):
        return ("max_logit", "energy")
    kinds: tuple[RejectionScore, ...] = get_args(RejectionScore)
    return kinds if model.calibration.blend else tuple(kind for kind in kinds if kind != "blend")


def _all(predictions: Sequence[Prediction], kind: RejectionScore) -> NDArray[np.float64]:
    return np.array([p.scores[kind] for p in predictions])


def compare(first: Evaluation, second: Evaluation) -> McNemar:
    """McNemar's test of two models by product, on the photos whose class both know."""
    others = {p.sample.path: _is_right(p, second) for p in second.predictions}
    shared = [p for p in first.predictions if p.sample.path in others]
    return mcnemar(
        np.array([_is_right(p, first) for p in shared], dtype=bool),
        np.array([others[p.sample.path] for p in shared], dtype=bool),
    )


def _is_right(prediction: Prediction, evaluation: Evaluation) -> bool:
    return prediction.answer.sku == evaluation.sku_of[prediction.sample.name]


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write a CSV table of path, name, predicted, confidence, score."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("path", "name", "predicted", "confidence", "score"))
    for p in predictions:
        writer.writerow((p.sample.path, p.sample.name, p.answer.name, f"{p.answer.confidence:.6f}", f"{p.score:.6f}"))
    write_whole(path, text.getvalue().encode())


def _predict(model: Predictor, data: DataSet) -> tuple[Prediction, ...]:
    outputs = model.outputs(load_crops(data, model.size_px, "Reading photos"))
    calibration, logits = model.calibration, outputs.logits
    scores = {
        kind: rejection_scores(kind, logits, outputs.embedding, model.prototypes, calibration.blend)
        for kind in usable_scores(model)
    }
    used = scores[calibration.rejection_score]
    answers = interpret(logits, model.classes, calibration, used)
    plain = interpret(logits, model.classes, calibration.model_copy(update={"temperature": 1.0}), used)
    return tuple(
        Prediction(
            sample,
            answers[index],
            float(used[index]),
            {kind: float(values[index]) for kind, values in scores.items()},
            plain[index].likelihood(answers[index].sku),
        )
        for index, sample in enumerate(data.samples)
    )


def _grouped(truth: list[ClassInfo], hits: list[bool], key: str) -> tuple[Metric, ...]:
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for info, hit in zip(truth, hits, strict=True):
        groups[getattr(info, key)].append(hit)
    return tuple(proportion(name, sum(group), len(group)) for name, group in sorted(groups.items()))


def _unlabelled(source: Path) -> DataSet:
    """Photos of none of the classes: a data set, or a plain folder of photos without labels."""
    is_plain = source.is_dir() and not (source / "labels.csv").exists()
    content = sort_folder(source) if is_plain else FolderContent()
    if not content.photos:
        return read_data(source)
    for photo in content.photos:
        require_utf8(photo.resolve())
    samples = tuple(Sample(photo, "unknown") for photo in content.photos)
    notes = (*left_out_notes(source, content), *hidden_note(source, content.hidden))
    return DataSet(source, samples, (), notes)

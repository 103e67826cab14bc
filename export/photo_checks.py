"""Checks a bundle on photos: its accuracy, and its parity with the trained model."""

from collections.abc import Callable

import numpy as np

from export.parity import MAX_LOGIT_DIFFERENCE, measure_parity
from export.verify import Check
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, UsageError
from train.data.data_set import DataSet

BATCH = 64


def check_answers(bundle: Bundle, data: DataSet, crops: Pixels) -> Check:
    """How many labelled photos are classified correctly; `crops` (N, S, S, 3) are the data set's."""
    classifier = Classifier(bundle)
    answers = [
        answer for start in range(0, len(crops), BATCH) for answer in classifier.classify(crops[start : start + BATCH])
    ]
    known = {info.name for info in bundle.manifest.classes}
    judged = [(s.name, a) for s, a in zip(data.samples, answers, strict=True) if s.name in known]
    right = sum(label == answer.name and answer.known for label, answer in judged)
    unknown = sum(not answer.known for _, answer in judged)
    doubted = sum(answer.known and answer.doubted for _, answer in judged)
    others = len(answers) - len(judged)
    also = f"; {others} of classes that it doesn't know" if others else ""
    return Check(
        "photos", f"{right} of {len(judged)} named right, {doubted} doubted, {unknown} taken for no known product{also}"
    )


def check_parity(bundle: Bundle, trained: Callable[[Pixels], RawOutputs], crops: Pixels) -> Check:
    """Compare the outputs of the bundle with those of the model that it was built from, on every crop.

    Raises:
        BundleError: in FP32 logits differ by more than MAX_LOGIT_DIFFERENCE, or a predicted class differs.
        UsageError: the bundle's classes have changed since.
    """
    manifest = bundle.manifest
    if manifest.changes:
        raise UsageError(f"{bundle.source}: products were enrolled or retired since: compare the bundle before that")
    run = Classifier(bundle).run
    starts = range(0, len(crops), BATCH)
    parts = [(run(crops[i : i + BATCH]), trained(crops[i : i + BATCH])) for i in starts]
    exported, own = (_joined([part[place] for part in parts]) for place in (0, 1))
    if own.logits.shape != exported.logits.shape:
        counts = exported.logits.shape[1], own.logits.shape[1]
        raise UsageError(f"{bundle.source}: has {counts[0]} classes, the run has {counts[1]}: name its own run")
    parity = measure_parity(own, exported)
    found = (
        f"{parity.n} crops: largest logit difference {parity.max_logit_difference:.1e}, mean "
        f"{parity.mean_logit_difference:.1e}, same class on {100 * parity.top1_agreement:.1f} %, embedding cosine "
        f"{parity.min_embedding_cosine:.5f} or more"
    )
    differs = parity.max_logit_difference > MAX_LOGIT_DIFFERENCE or parity.top1_agreement < 1
    if manifest.precision == "fp32" and differs:
        raise BundleError(f"{bundle.source}: not the model of this run: {found}: build it again")
    return Check("parity", found)


def _joined(parts: list[RawOutputs]) -> RawOutputs:
    return RawOutputs(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.evidence for part in parts]),
    )

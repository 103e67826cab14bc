"""Strangers and enrolment beside a trained run: python -m tests.scripts.real_strangers DATA RUN LIST [DRAWS].

RUN was trained on the photos outside the held-out quarter without the products of one list (LIST counts from 1 in
tests/scripts/real/left_out.txt), with `--refit 0`. Its whitened space is fitted anew, as `fit` does today, so that a
run of before can be measured too. Printed are the AUROC of each score, what the thresholds do (each half of the
held-out photos is judged with those of the other), and products enrolled from 5 photos and from 1, DRAWS times (4).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.enroll import logit_per_log_distance
from export.enrolment_views import views_of
from kardus.contract.manifest import ClassInfo
from kardus.inference.classification import class_means, interpret, rejection_scores
from kardus.inference.classifier import RawOutputs
from kardus.inference.enrolled import MARGINS, LiveClasses, Margin
from kardus.inference.preprocess import read_photo, read_picture, rectify_whole
from tests.scripts.real_data import quarter, read, siblings, without
from tests.scripts.real_enrolment import CHOICES, SHOTS
from tests.scripts.steps import percent
from train.data.data_set import Sample
from train.evaluation.calibration import SURE, HeldOut, calibrate, held_out
from train.evaluation.metrics import auroc, proportion
from train.evaluation.outputs import pooled_features, run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import load_checkpoint
from train.networks.whitening import Whitening

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def main(source: Path, run: Path, number: int, draws: int) -> None:
    """Measure one run."""
    data, names = read(source), siblings()[number - 1]
    known, strange = without(quarter(data), names)
    checkpoint = load_checkpoint(run)
    network, size = checkpoint.model(), checkpoint.config.size
    place = {info.name: index for index, info in enumerate(checkpoint.classes)}
    trained, held = ([m.sample for m in known if m.part == part] for part in ("train", "val"))
    learnt, labels = _crops(trained, size), np.array([place[s.name] for s in trained])
    network.space = Whitening(len(network.space.center), len(place))
    network.space.fit(pooled_features(network, learnt), torch.from_numpy(labels))
    prototypes = class_means(run_network(network, learnt).embedding, labels, len(place))
    answers = run_network(network, _crops(held, size))
    truth = np.array([place[s.name] for s in held])
    views = _of_views(network, [m.sample for m in strange], size)
    first = RawOutputs(*(values[:, 0] for values in vars(views).values()))
    things = run_network(network, _crops([Sample(p, "") for p in sorted((source / "not_cartons").glob("*.jpg"))], size))
    hits = int((answers.logits.argmax(axis=1) == truth).sum())
    print(f"right by class: {percent(proportion('', hits, len(truth)).model_dump())}")
    blend = calibrate(held_out(answers, truth, prototypes), "").blend
    for kind in ("max_logit", "prototype", "distance", "blend"):
        one, two, three = (
            rejection_scores(kind, o.logits, o.embedding, prototypes, blend).astype(float)
            for o in (answers, first, things)
        )
        print(f"{kind}: AUROC, products {auroc(one, two):.3f} (n = {len(two)}), ", end="")
        print(f"no cartons {auroc(one, three):.3f} (n = {len(three)})")
    for title, strangers in (("products", first), ("no cartons", things)):
        _print_verdicts(title, (answers, truth), strangers, prototypes, checkpoint.classes)
    scale, margin = logit_per_log_distance(answers, prototypes), MARGINS[checkpoint.config.embedding]
    for shots in SHOTS:
        _enrol(shots, draws, (answers, truth), views, [m.sample.name for m in strange], prototypes, scale, margin)


def _crops(samples: Sequence[Sample], size_px: int) -> NDArray[np.uint8]:
    return np.stack([rectify_whole(read_photo(sample.path), size_px) for sample in samples])


def _of_views(network: CartonNet, samples: Sequence[Sample], size_px: int) -> RawOutputs:
    """Outputs of the views that one photo alone is enrolled by: (n, v, ...) each."""
    crops = np.concatenate([views_of([read_picture(s.path)], size_px) for s in samples])
    outputs = run_network(network, crops.reshape(-1, *crops.shape[2:]))
    return RawOutputs(*(values.reshape(*crops.shape[:2], *values.shape[1:]) for values in vars(outputs).values()))


def _print_verdicts(
    title: str, known: tuple[RawOutputs, Labels], strange: RawOutputs, prototypes: Floats, classes: Sequence[ClassInfo]
) -> None:
    answers, truth = known
    half = np.random.default_rng(0).permutation(len(truth)) % 2
    found = np.zeros(5, int)  # doubted, sure and right; rejected, taken, strangers
    for part in (0, 1):
        mine, other = half == part, half != part
        told = calibrate(_held(answers, truth, prototypes, mine), "")
        judged = _held(answers, truth, prototypes, other)
        for is_known, logits, distance in ((True, judged.logits, judged.scores), (False, strange.logits, None)):
            embedding = answers.embedding[other] if distance is not None else strange.embedding
            scores = rejection_scores("blend", logits, embedding, prototypes, told.blend)
            for index, seen in enumerate(interpret(logits, classes, told, scores)):
                named = seen.known and not seen.doubted and seen.confidence >= SURE
                if is_known and seen.name == classes[judged.labels[index]].name and seen.confidence >= SURE:
                    found += (not named, 1, 0, 0, 0)
                elif not is_known:
                    found += (0, 0, not seen.known, named, 1)
    doubted, sure, rejected, taken, strangers = (int(value) for value in found)
    n = strangers // 2
    print(f"{title}: taken for a product {percent(proportion('', round(taken / 2), n).model_dump())}")
    print(f"{title}: rejected {percent(proportion('', round(rejected / 2), n).model_dump())}")
    print(f"known, named rightly and surely, but doubted: {percent(proportion('', doubted, sure).model_dump())}")


def _held(answers: RawOutputs, truth: Labels, prototypes: Floats, chosen: NDArray[np.bool_]) -> HeldOut:
    part = RawOutputs(*(values[chosen] for values in vars(answers).values()))
    return held_out(part, truth[chosen], prototypes)


def _enrol(
    shots: int,
    draws: int,
    known: tuple[RawOutputs, Labels],
    views: RawOutputs,
    names: list[str],
    prototypes: Floats,
    scale: float,
    margin: Margin,
) -> None:
    answers, truth = known
    before = int((answers.logits.argmax(axis=1) == truth).sum())
    hits = count = 0
    lost = []
    for choice in CHOICES:
        chosen = [sorted(set(names))[index] for index in choice]
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            orders = [rng.permutation(np.flatnonzero(np.array(names) == name)) for name in chosen]
            used = 1 if shots > 1 else views.embedding.shape[1]
            means = np.stack([views.embedding[order[:shots], :used].mean(axis=(0, 1)) for order in orders])
            live = LiveClasses(
                np.arange(len(prototypes)), prototypes, means, 1.0, scale, (shots,) * len(chosen), margin
            )
            for index, order in enumerate(orders):
                rest = order[shots:]
                logits = live.logits(views.logits[rest, 0], views.embedding[rest, 0])
                hits, count = hits + int((logits.argmax(axis=1) == len(prototypes) + index).sum()), count + len(rest)
            after = int((live.logits(answers.logits, answers.embedding).argmax(axis=1) == truth).sum())
            lost.append(100 * (before - after) / len(truth))
    print(f"from {shots} photos: {percent(proportion('', hits, count).model_dump())} of all draws together;")
    print(f"  points lost on the others: mean {np.mean(lost):.2f}, most {max(lost):.2f} (n = {len(truth)})")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    torch.set_num_threads(2)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else 4)

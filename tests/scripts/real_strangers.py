"""Strangers and enrolment beside a trained run: python -m tests.scripts.real_strangers DATA RUN LIST [DRAWS].

RUN was trained on the photos outside the held-out quarter without the products of one list (LIST counts from 1 in
tests/scripts/real/left_out.txt), with `--refit 0`. Its whitened space is fitted anew, as `fit` does today, so that a
run of before can be measured too. Printed are the AUROC of each score, what the thresholds do (each half of the
held-out photos is judged with those of the other), and products enrolled from 5 photos and from 1, DRAWS times (4), by
distances and held against the photos that the network was trained on.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.enrolment_views import views_of
from kardus.contract.manifest import Calibration, RejectionScore
from kardus.inference.classification import Classification, class_means, interpret, rejection_scores
from kardus.inference.enrolled import MARGINS
from kardus.inference.multi_crop import PARTS, parts_of
from kardus.inference.preprocess import Pixels, read_photo, read_picture, rectify_whole
from tests.scripts.real_data import quarter, read, siblings, without
from tests.scripts.real_enrolment import SHOTS
from tests.scripts.real_outputs import Enrolment, Known, WithParts
from tests.scripts.steps import percent
from train.data.data_set import Sample
from train.evaluation.calibration import SURE
from train.evaluation.metrics import auroc, proportion
from train.evaluation.outputs import pooled_features, run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import load_checkpoint
from train.networks.whitening import Whitening


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
    truth = np.array([place[s.name] for s in held])
    kept = Known(_with_parts(network, _crops(held, size)), truth, prototypes, checkpoint.classes)
    strangers = _with_parts(network, _crops([m.sample for m in strange], size))
    paths = sorted((source / "not_cartons").glob("*.jpg"))
    things = _with_parts(network, _crops([Sample(path, "") for path in paths], size))
    everything = np.ones(len(truth), dtype=bool)
    told = kept.calibrated(everything)
    _print_accuracy(kept, told)
    _print_scores(kept, told, strangers, things)
    for title, unknown in (("products", strangers), ("no cartons", things)):
        _print_verdicts(title, kept, unknown)
    seen = [m.sample for m in strange]
    views = np.concatenate([views_of([read_picture(sample.path)], size) for sample in seen])
    enrolment = Enrolment(
        kept,
        told,
        strangers,
        [run_network(network, crops) for crops in views],
        [sample.name for sample in seen],
        run_network(network, learnt),
        labels,
        MARGINS[checkpoint.config.embedding],
    )
    for shots in SHOTS:
        enrolment.measure(shots, draws)


def _crops(samples: Sequence[Sample], size_px: int) -> Pixels:
    return np.stack([rectify_whole(read_photo(sample.path), size_px) for sample in samples])


def _with_parts(network: CartonNet, crops: Pixels) -> WithParts:
    whole, parts = run_network(network, crops), run_network(network, parts_of(crops))
    logits, embedding = (
        np.concatenate([own[:, None], of_parts.reshape(len(crops), PARTS, -1)], axis=1)
        for own, of_parts in ((whole.logits, parts.logits), (whole.embedding, parts.embedding))
    )
    return WithParts(logits, embedding)


def _print_accuracy(known: Known, told: Calibration) -> None:
    for title, outputs in (
        ("of whole crops", known.outputs.first()),
        ("as judged", known.outputs.judged(told, known.prototypes)),
    ):
        hits = int((outputs.logits.argmax(axis=1) == known.labels).sum())
        print(f"right by class, {title}: {percent(proportion('', hits, len(known.labels)).model_dump())}")


def _print_scores(known: Known, told: Calibration, strangers: WithParts, things: WithParts) -> None:
    def scores(kind: RejectionScore, of: WithParts, *, judged: bool) -> NDArray[np.float64]:
        outputs = of.judged(told, known.prototypes) if judged else of.first()
        return rejection_scores(kind, outputs.logits, outputs.embedding, known.prototypes, told.blend).astype(float)

    kinds: tuple[RejectionScore, ...] = ("max_logit", "prototype", "distance", "blend")
    for title, kind, judged in (*((kind, kind, False) for kind in kinds), ("blend, as judged", kinds[-1], True)):
        one, two, three = (scores(kind, of, judged=judged) for of in (known.outputs, strangers, things))
        print(f"{title}: AUROC, products {auroc(one, two):.3f} (n = {len(two)}), ", end="")
        print(f"no cartons {auroc(one, three):.3f} (n = {len(three)})")


def _print_verdicts(title: str, known: Known, strange: WithParts) -> None:
    half = np.random.default_rng(0).permutation(len(known.labels)) % 2
    found = np.zeros(5, int)  # doubted, sure and right; rejected, taken, strangers
    judged_again = 0
    for part in (0, 1):
        told, other = known.calibrated(half == part), half != part
        mine = WithParts(known.outputs.logits[other], known.outputs.embedding[other])
        truth = [known.classes[label].name for label in known.labels[other]]
        for answer, name in zip(_answers(mine, told, known), truth, strict=True):
            if answer.name == name and answer.confidence >= SURE:
                found += (not _is_named(answer), 1, 0, 0, 0)
        for answer in _answers(strange, told, known):
            found += (0, 0, not answer.known, _is_named(answer), 1)
        first = mine.first()
        scores = rejection_scores("blend", first.logits, first.embedding, known.prototypes, told.blend)
        judged_again += int((scores < (told.multi_crop_below or -np.inf)).sum())
    doubted, sure, rejected, taken, strangers = (int(value) for value in found)
    n = strangers // 2
    print(f"{title}: taken for a product {percent(proportion('', round(taken / 2), n).model_dump())}")
    print(f"{title}: rejected {percent(proportion('', round(rejected / 2), n).model_dump())}")
    print(f"known, named rightly and surely, but doubted: {percent(proportion('', doubted, sure).model_dump())}")
    print(f"known, judged by parts: {percent(proportion('', judged_again, len(half)).model_dump())}")


def _answers(of: WithParts, told: Calibration, known: Known) -> list[Classification]:
    outputs = of.judged(told, known.prototypes)
    scores = rejection_scores("blend", outputs.logits, outputs.embedding, known.prototypes, told.blend)
    return interpret(outputs.logits, known.classes, told, scores)


def _is_named(answer: Classification) -> bool:
    return answer.known and not answer.doubted and answer.confidence >= SURE


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    torch.set_num_threads(2)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else 4)

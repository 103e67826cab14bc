"""Strangers and enrolment beside a trained run: python -m tests.scripts.real_strangers DATA RUN LIST [DRAWS].

RUN was trained on the photos outside the held-out quarter without the products of one list (LIST counts from 1 in
tests/scripts/real/left_out.txt), with `--refit 0`. Its whitened space is fitted anew, as `fit` does today, so that a
run of before can be measured too. Printed are the AUROC of each score, what the thresholds do (each half of the
held-out photos is judged with those of the other), and products enrolled from 5 photos and from 1, DRAWS times (4).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.enroll import logit_per_log_distance
from export.enrolment_views import views_of
from kardus.contract.manifest import Calibration, ClassInfo, RejectionScore
from kardus.inference.classification import Classification, class_means, interpret, rejection_scores
from kardus.inference.enrolled import MARGINS, LiveClasses, Margin
from kardus.inference.multi_crop import CORNER_CROPS, parts_of
from kardus.inference.preprocess import Pixels, read_photo, read_picture, rectify_whole
from kardus.inference.raw_outputs import RawOutputs
from tests.scripts.real_data import quarter, read, siblings, without
from tests.scripts.real_enrolment import CHOICES, SHOTS
from tests.scripts.steps import percent
from train.data.data_set import Sample
from train.evaluation.calibration import SURE, HeldOut, calibrate
from train.evaluation.metrics import auroc, proportion
from train.evaluation.outputs import pooled_features, run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import load_checkpoint
from train.networks.whitening import Whitening

Float32Array = NDArray[np.float32]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class WithParts:
    """A network's outputs for n crops and for the parts of each."""

    logits: Float32Array
    """(n, 1 + CORNER_CROPS, classes): the crop's own first."""
    embedding: Float32Array
    """(n, 1 + CORNER_CROPS, d)."""

    def first(self, chosen: Mask | None = None) -> RawOutputs:
        """Of the crops themselves, (n,)."""
        return self._outputs(0, chosen)

    def judged(self, told: Calibration, prototypes: Float32Array, live: LiveClasses | None = None) -> RawOutputs:
        """As the agent judges by them: over the parts, too, where the score is low; `live` has what was enrolled."""
        shape = self.logits.shape[:2]
        flat = self.embedding.reshape(-1, self.embedding.shape[2])
        logits = self.logits.reshape(len(flat), -1)
        logits = (live.logits(logits, flat) if live else logits).reshape(*shape, -1)
        scores = rejection_scores("blend", logits[:, 0], self.embedding[:, 0], prototypes, told.blend)
        low = (scores < (told.multi_crop_below or -np.inf))[:, None]
        of_logits, of_embedding = (
            np.where(low, values.mean(axis=1), values[:, 0]) for values in (logits, self.embedding)
        )
        return RawOutputs(of_logits, of_embedding, np.zeros((shape[0], 0, 0), np.float32))

    def held_out(self, labels: Labels, prototypes: Float32Array, chosen: Mask) -> HeldOut:
        """Of some of them, to calibrate on."""
        whole, means = self.first(chosen), self._outputs(slice(None), chosen)
        of_whole, of_means = (rejection_scores("distance", o.logits, o.embedding, prototypes) for o in (whole, means))
        return HeldOut(whole.logits, of_whole, labels[chosen], (means.logits, of_means))

    def _outputs(self, part: int | slice, chosen: Mask | None) -> RawOutputs:
        rows = slice(None) if chosen is None else chosen
        logits, embedding = self.logits[rows][:, part], self.embedding[rows][:, part]
        if isinstance(part, slice):
            logits, embedding = logits.mean(axis=1), embedding.mean(axis=1)
        return RawOutputs(logits, embedding, np.zeros((len(logits), 0, 0), np.float32))


@dataclass(frozen=True)
class Known:
    """The held-out photos of the products that were trained on."""

    outputs: WithParts
    labels: Labels
    prototypes: Float32Array
    classes: Sequence[ClassInfo]

    def calibrated(self, chosen: Mask) -> Calibration:
        """On some of them."""
        return calibrate(self.outputs.held_out(self.labels, self.prototypes, chosen), "")


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
    scale = logit_per_log_distance(kept.outputs.first(), prototypes)
    views = _embeddings_of_views(network, [m.sample for m in strange], size)
    enrolment = Enrolment(kept, told, strangers, views, [m.sample.name for m in strange], scale)
    for shots in SHOTS:
        _enrol(shots, draws, enrolment, MARGINS[checkpoint.config.embedding])


def _crops(samples: Sequence[Sample], size_px: int) -> Pixels:
    return np.stack([rectify_whole(read_photo(sample.path), size_px) for sample in samples])


def _with_parts(network: CartonNet, crops: Pixels) -> WithParts:
    whole, parts = run_network(network, crops), run_network(network, parts_of(crops))
    logits, embedding = (
        np.concatenate([own[:, None], of_parts.reshape(len(crops), CORNER_CROPS, -1)], axis=1)
        for own, of_parts in ((whole.logits, parts.logits), (whole.embedding, parts.embedding))
    )
    return WithParts(logits, embedding)


def _embeddings_of_views(network: CartonNet, samples: Sequence[Sample], size_px: int) -> Float32Array:
    """Of the views that one photo alone is enrolled by: (n, v, d)."""
    crops = np.concatenate([views_of([read_picture(s.path)], 1, size_px) for s in samples])
    outputs = run_network(network, crops.reshape(-1, *crops.shape[2:]))
    return outputs.embedding.reshape(*crops.shape[:2], -1)


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


@dataclass(frozen=True)
class Enrolment:
    """What products are enrolled from, and what they may take photos from."""

    known: Known
    told: Calibration
    strangers: WithParts
    views: Float32Array
    """Embeddings of views of each of the strangers' photos, (n, v, d)."""
    names: list[str]
    """Theirs, (n,)."""
    scale: float


def _enrol(shots: int, draws: int, kept: Enrolment, margin: Margin) -> None:
    known, prototypes = kept.known, kept.known.prototypes
    before = int((known.outputs.judged(kept.told, prototypes).logits.argmax(axis=1) == known.labels).sum())
    hits = count = 0
    lost = []
    for choice in CHOICES:
        chosen = [sorted(set(kept.names))[index] for index in choice]
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            orders = [rng.permutation(np.flatnonzero(np.array(kept.names) == name)) for name in chosen]
            used = 1 if shots > 1 else kept.views.shape[1]
            means = np.stack([kept.views[order[:shots], :used].mean(axis=(0, 1)) for order in orders])
            live = LiveClasses(
                np.arange(len(prototypes)), prototypes, means, 1.0, kept.scale, (shots,) * len(chosen), margin
            )
            everything = np.concatenate([prototypes, means])
            for index, order in enumerate(orders):
                rest = order[shots:]
                photos = WithParts(kept.strangers.logits[rest], kept.strangers.embedding[rest])
                logits = photos.judged(kept.told, everything, live).logits
                hits, count = hits + int((logits.argmax(axis=1) == len(prototypes) + index).sum()), count + len(rest)
            after = known.outputs.judged(kept.told, everything, live).logits.argmax(axis=1)
            lost.append(100 * (before - int((after == known.labels).sum())) / len(known.labels))
    print(f"from {shots} photos: {percent(proportion('', hits, count).model_dump())} of all draws together;")
    print(f"  points lost on the others: mean {np.mean(lost):.2f}, most {max(lost):.2f} (n = {len(known.labels)})")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    torch.set_num_threads(2)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else 4)

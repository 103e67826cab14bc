"""What `tests.scripts.real_strangers` reckons with: outputs of crops and their parts, and enrolled products."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.enroll import distance_per_logit, logit_per_log_distance
from export.last_layer import examples, fit_row, sibling_row
from kardus.contract.manifest import Calibration, ClassInfo, LastLayerRow
from kardus.inference.classification import rejection_scores
from kardus.inference.enrolled import LastLayerRows, LiveClasses, Margin
from kardus.inference.raw_outputs import RawOutputs
from tests.scripts.real_enrolment import CHOICES
from tests.scripts.steps import percent
from train.evaluation.calibration import HeldOut, calibrate
from train.evaluation.metrics import proportion

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class WithParts:
    """A network's outputs for n crops and for the parts of each."""

    logits: Floats
    """(n, 1 + PARTS, classes): the crop's own first."""
    embedding: Floats
    """(n, 1 + PARTS, d)."""

    def first(self, chosen: Mask | None = None) -> RawOutputs:
        """Of the crops themselves, (n,)."""
        return self._outputs(0, chosen)

    def judged(self, told: Calibration, prototypes: Floats, live: LiveClasses | None = None) -> RawOutputs:
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

    def held_out(self, labels: Labels, prototypes: Floats, chosen: Mask) -> HeldOut:
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
    prototypes: Floats
    classes: Sequence[ClassInfo]

    def calibrated(self, chosen: Mask) -> Calibration:
        """On some of them."""
        return calibrate(self.outputs.held_out(self.labels, self.prototypes, chosen), "")


@dataclass(frozen=True)
class Enrolment:
    """What products are enrolled from, and what they may take photos from."""

    known: Known
    told: Calibration
    strangers: WithParts
    views: list[RawOutputs]
    """Of the views that one photo alone is enrolled by, for each of the strangers' photos."""
    names: list[str]
    """Theirs, (n,)."""
    learnt: RawOutputs
    """For the photos that the network was trained on."""
    labels: Labels
    """Theirs."""
    margin: Margin

    def measure(self, shots: int, draws: int) -> None:
        """Print what products are told as that are enrolled from so many photos, and what the others lose."""
        for held in (False, True):
            found = [
                self._choose([sorted(set(self.names))[index] for index in choice], shots, draw, held=held)
                for choice in CHOICES
                for draw in range(draws)
            ]
            hits, count, lost = (np.array(column) for column in zip(*found, strict=True))
            told = percent(proportion("", int(hits.sum()), int(count.sum())).model_dump())
            print(f"from {shots} photos, {'held against the others' if held else 'by distances'}: {told} of all draws")
            n = len(self.known.labels)
            print(f"  points lost on the others: mean {lost.mean():.2f}, most {lost.max():.2f} (n = {n})", flush=True)

    def _choose(self, chosen: Sequence[str], shots: int, draw: int, *, held: bool) -> tuple[int, int, float]:
        """Right, of how many of the new products' other photos, and points lost on the known."""
        rng, known = np.random.default_rng(draw), self.known
        orders = [rng.permutation(np.flatnonzero(np.array(self.names) == name)) for name in chosen]
        live = self._enrolled([order[:shots] for order in orders], held=held)
        everything = np.concatenate([known.prototypes, live.enrolled])
        before = (known.outputs.judged(self.told, known.prototypes).logits.argmax(axis=1) == known.labels).sum()
        after = (known.outputs.judged(self.told, everything, live).logits.argmax(axis=1) == known.labels).sum()
        hits = count = 0
        for index, order in enumerate(orders):
            rest = order[shots:]
            photos = WithParts(self.strangers.logits[rest], self.strangers.embedding[rest])
            answers = photos.judged(self.told, everything, live).logits.argmax(axis=1)
            hits, count = hits + int((answers == len(known.prototypes) + index).sum()), count + len(rest)
        return hits, count, 100 * float(before - after) / len(known.labels)

    def _enrolled(self, photos: Sequence[Labels], *, held: bool) -> LiveClasses:
        """One product after the other, each from some of the strangers' photos."""
        live, rows = self._live([], [], []), list[LastLayerRow]()
        means, counts = list[np.ndarray](), list[int]()
        for chosen in photos:
            seen = [self.views[photo] for photo in chosen]
            if len(chosen) > 1:
                seen = [_only_first(outputs) for outputs in seen]
            new = RawOutputs.joined(seen)
            mean = new.embedding.mean(axis=0)
            if held:
                known, new = (_with_enrolled(outputs, live) for outputs in (self.learnt, new))
                start = sibling_row(known, self.labels, mean.astype(float), self._distance_per_logit)
                rows.append(fit_row(examples(known, self.labels, new, len(chosen)), start).row)
            means, counts = [*means, mean], [*counts, len(chosen)]
            live = self._live(means, counts, rows)
        return live

    def _live(self, means: list[np.ndarray], counts: list[int], rows: list[LastLayerRow]) -> LiveClasses:
        first = self.known.outputs.first()
        prototypes = self.known.prototypes
        return LiveClasses(
            np.arange(len(prototypes)),
            prototypes,
            np.array(means, np.float32).reshape(-1, prototypes.shape[1]),
            1.0,
            logit_per_log_distance(first, prototypes),
            tuple(counts),
            self.margin,
            LastLayerRows(
                np.arange(len(rows)),
                np.array([row.weights for row in rows], np.float32),
                np.array([row.bias for row in rows], np.float32),
            )
            if rows
            else None,
        )

    @property
    def _distance_per_logit(self) -> float:
        return distance_per_logit(self.known.outputs.first(), self.known.prototypes)


def _only_first(outputs: RawOutputs) -> RawOutputs:
    """The whole photo, of its views."""
    return RawOutputs(outputs.logits[:1], outputs.embedding[:1], outputs.evidence[:1])


def _with_enrolled(outputs: RawOutputs, live: LiveClasses) -> RawOutputs:
    return RawOutputs(live.logits(outputs.logits, outputs.embedding), outputs.embedding, outputs.evidence)

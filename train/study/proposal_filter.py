"""Filters unconfirmed proposed labels by confident learning, into a table to train on.

Networks are cross-validated on all photos, labelled and proposed; a proposal that its out-of-fold prediction
contradicts is dropped (train.evaluation.confident_learning). What is left is an ordinary data set, `trusted.csv`, in
the run's folder, which training, evaluation and export use like any other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import ClassInfo
from kardus.inference.classification import softmax
from kardus.support.errors import DataError, UsageError
from train.config import TrainConfig
from train.data.data_set import DataSet, Sample, read_data
from train.data.proposals import ProposedLabel
from train.data.proposals_report import PROPOSALS, JudgedProposal, write_judged
from train.data.splits import Groups, photo_groups
from train.devices import process_rank, wait_for_all
from train.evaluation.confident_learning import contradicted
from train.evaluation.cross_validation import Fold
from train.fitting.progress import ProgressCallbacks
from train.fitting.run_folder import TRUST, refuse_used, run_folder
from train.study.cross_fit import train_folds
from train.study.trusted_table import TRUSTED, write_trusted

FOLDS = 4
LIGHT_PX, LIGHT_SHARE = 128, 0.5
"""The folds' networks train on crops of at most so many pixels, for this fraction of the epochs (docs/training.md)."""
AGREEMENT = 0.5
"""If a smaller proportion of proposals is predicted as proposed, the networks haven't learnt to tell products apart."""
_FACELESS = "its product has several faces: fill in its name"
_GONE = "its photo is gone"
_FEW = f"fewer than {FOLDS} different photos of its class: too few to be checked"
_REMNANT = "too few photos of its class are left to train on"
_UNCONFIRMED = "the held-out labels are unconfirmed, too: evaluate on photos with confirmed labels to know the accuracy"


@dataclass(frozen=True)
class _Pool:
    """The photos to cross-validate on: labelled ones first, then proposals."""

    data: DataSet
    groups: Groups
    proposals: tuple[ProposedLabel, ...]

    @property
    def labelled(self) -> int:
        return len(self.data.samples) - len(self.proposals)


def trust_proposed(
    source: Path, out: Path, config: TrainConfig, progress: ProgressCallbacks, *, resume: bool = False
) -> Path:
    """Decide which proposals are trained on, and write them to `out`; returns the table to train on.

    Raises:
        DataError: the data set has no proposals, too few of every class, or a class that couldn't be trained on
            whatever came of them; a photo can't be read.
        UsageError: `out` holds a run already, or the protocol is the founding one.
    """
    if config.protocol == "founding":
        raise UsageError("--trust-proposed: needs --protocol honest")
    refuse_used(out, resume=resume)
    with run_folder(out):
        data = read_data(source, proposals_suffice=True)
        if not data.proposals:
            raise DataError(f"{source}: no proposals in it: leave --trust-proposed out")
        pool, dropped = _pool(data)
        _require_trainable(data, pool, config)
        light = light_config(config, len(pool.data.samples))
        judged = _judge(pool, list(train_folds(pool.data, out / TRUST, light, progress, pool.groups)))
        _require_agreement(source, judged)
        remnants = _remnants(data, pool, judged, config)
        judged = [
            replace(row, kept=False, why=_REMNANT) if row.kept and row.proposal.name in remnants else row
            for row in judged
        ]
        if process_rank() == 0:
            write_judged(out / PROPOSALS, [*judged, *dropped])
            kept_photos = [_photo(row.proposal) for row in judged if row.kept]
            classes = {info.name: info for info in (*data.classes, *pool.data.classes)}
            labelled = (sample for sample in data.samples if sample.name not in remnants)
            write_trusted(out / TRUSTED, [*labelled, *kept_photos], classes)
        wait_for_all()
        kept = sum(row.kept for row in judged)
        progress.note(
            f"{kept} of {len(data.proposals)} proposals are trained on: {out / PROPOSALS} says why the others aren't"
        )
        for name in sorted(remnants):
            progress.note(f"class '{name}' is left out: {_REMNANT}")
        progress.note(_UNCONFIRMED)
    return out / TRUSTED


def light_config(config: TrainConfig, photos: int) -> TrainConfig:
    """The configuration of the folds' networks, for so many photos: cheaper than the run's own."""
    size = min(config.size, LIGHT_PX)
    epochs = config.for_photos(round(photos * (1 - 1 / FOLDS))).epochs
    changes = {"folds": FOLDS, "seeds": 1, "size": size, "epochs": max(1, round(LIGHT_SHARE * epochs))}
    return config.model_copy(update=changes | {"first_size": min(config.first_size, size), "teacher": "", "refit": 0.0})


def _pool(data: DataSet) -> tuple[_Pool, list[JudgedProposal]]:
    """The photos to cross-validate on, and the proposals that can't be checked so."""
    dropped = [_refused(p, _FACELESS) for p in data.proposals if not p.name]
    named = [p for p in data.proposals if p.name]
    dropped += [_refused(p, _GONE) for p in named if not p.path.is_file()]
    there = [p for p in named if p.path.is_file()]
    labelled = [sample for sample in data.samples if sample.split in ("", "train")]
    samples = [*labelled, *map(_photo, there)]
    groups = photo_groups(samples)
    apart = Counter(name for name, _ in {(s.name, int(g)) for s, g in zip(samples, groups, strict=True)})
    chosen = [index for index, sample in enumerate(samples) if apart[sample.name] >= FOLDS]
    dropped += [_refused(p, _FEW) for p in there if apart[p.name] < FOLDS]
    if len({samples[index].name for index in chosen}) < 2:  # noqa: PLR2004
        raise DataError(f"{data.source}: fewer than two classes have {FOLDS} different photos: let more be collected")
    checked = tuple(samples[index] for index in chosen)
    classes = _classes(data, there, {sample.name for sample in checked})
    kept = tuple(there[index - len(labelled)] for index in chosen if index >= len(labelled))
    return _Pool(DataSet(data.source, checked, classes), groups[chosen], kept), dropped


def _classes(data: DataSet, proposals: Sequence[ProposedLabel], names: set[str]) -> tuple[ClassInfo, ...]:
    """The data set's classes, and a new one for each proposed product that it doesn't know yet."""
    known = {info.name: info for info in data.classes}
    new = {p.name: ClassInfo(name=p.name, category=p.name, sku=p.sku) for p in proposals if p.name not in known}
    return tuple(info for info in [*known.values(), *(new[name] for name in sorted(new))] if info.name in names)


def _photo(proposal: ProposedLabel) -> Sample:
    return Sample(proposal.path, proposal.name, group=proposal.group)


def _require_trainable(data: DataSet, pool: _Pool, config: TrainConfig) -> None:
    """Require of the classes that no proposal can add to that they have photos enough: before hours of training.

    Raises:
        DataError: one has too few.
    """
    counts = Counter(sample.name for sample in data.samples if sample.split in _used_splits(config))
    trained = {sample.name for sample in data.samples if config.folds or sample.split in ("", "train")}
    fewest = _fewest(config)
    for name in sorted(trained - {info.name for info in pool.data.classes}):
        if counts[name] < fewest:
            raise DataError(
                f"{data.source}: class '{name}' has {counts[name]} of the {fewest} photos that training needs, and no "
                "proposals that can be checked: add photos of it (10 or more are advised), or remove it"
            )


def _remnants(data: DataSet, pool: _Pool, judged: Sequence[JudgedProposal], config: TrainConfig) -> set[str]:
    """The classes that too few photos are left of: training would refuse them, after the hours that this has taken."""
    left = [*range(pool.labelled), *(row for row, one in enumerate(judged, start=pool.labelled) if one.kept)]
    apart = {(pool.data.samples[row].name, int(pool.groups[row]) if config.folds else row) for row in left}
    beside = [s.name for s in data.samples if s.split in _used_splits(config) and s.split not in ("", "train")]
    counts = Counter([*(name for name, _ in apart), *beside])
    return {info.name for info in pool.data.classes if counts[info.name] < _fewest(config)}


def _used_splits(config: TrainConfig) -> tuple[str, ...]:
    """Folds take every photo, whatever it is marked."""
    return ("", "train", "val", "test") if config.folds else ("", "train", "val")


def _fewest(config: TrainConfig) -> int:
    """How many photos training needs of a class; with folds, so many that aren't nearly the same."""
    return config.folds or 2


def _judge(pool: _Pool, folds: Sequence[Fold]) -> list[JudgedProposal]:
    """Confident learning on each proposal, by product: the probabilities of a product's faces are summed."""
    classes = pool.data.classes
    skus = list(dict.fromkeys(info.sku for info in classes))
    likelihoods = np.zeros((len(pool.data.samples), len(skus)))
    labels = np.zeros(len(pool.data.samples), np.int64)
    sku_of: NDArray[np.int64] = np.array([skus.index(info.sku) for info in classes])
    for fold in folds:
        by_class = softmax(fold.answers.logits).astype(np.float64)
        for index, sku in enumerate(sku_of):
            likelihoods[fold.photos, sku] += by_class[:, index]
        labels[fold.photos] = sku_of[fold.answers.labels]
    found = contradicted(likelihoods, labels)
    return [
        JudgedProposal(
            proposal,
            kept=not found.found[row],
            why="contradicted" if found.found[row] else "",
            answered=skus[int(found.answered[row])],
            likelihood=float(likelihoods[row].max()),
            of_proposed=float(likelihoods[row, labels[row]]),
        )
        for row, proposal in enumerate(pool.proposals, start=pool.labelled)
    ]


def _require_agreement(source: Path, judged: Sequence[JudgedProposal]) -> None:
    """Require that the networks have learnt something: otherwise they contradict at random.

    Raises:
        DataError: they agree with too few proposals.
    """
    agreed = sum(row.answered == row.proposal.sku for row in judged)
    if agreed < AGREEMENT * len(judged):
        raise DataError(
            f"{source}: the networks agree with {agreed} of {len(judged)} proposals, too few to tell which are wrong: "
            "let more photos be collected, or train longer (--epochs)"
        )


def _refused(proposal: ProposedLabel, why: str) -> JudgedProposal:
    return JudgedProposal(proposal, kept=False, why=why)

"""The founding study's eight runs, under its own protocol and under an honest one.

Jurnal JTIK 8(4), 2024: {ResNet, ResNet + RMCSAM} x {10, 20 copies} x {random, ImageNet}.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from kardus.contract.manifest import Metric
from kardus.support.errors import UsageError
from kardus.support.files import made_folder
from train.config import ComputePrecision, TrainConfig, make_config
from train.data.data_set import check_trainable, read_data
from train.data.splits import all_trained
from train.evaluation.cross_validation import pool
from train.fitting.fit import fit
from train.fitting.progress import ProgressCallbacks
from train.fitting.run_folder import METRICS
from train.networks.carton import CartonNet
from train.networks.checkpoint import CHECKPOINT
from train.networks.initial_weights import IMAGENET, initialise
from train.recipe import read_recipe
from train.study.cross_fit import train_folds

FOLDS = 4
NOT_RUN = "not run"
QUICK: dict[str, Any] = {"arch": "resnet18", "size": 64, "epochs": 6, "batch": 32, "precision": "auto"}
"""What `--quick` changes, so that the study takes half an hour on two processor cores."""


@dataclass(frozen=True)
class PublishedFigures:
    """The figures that the study published of one of its runs."""

    loss: float
    validation: float
    """Accuracy, in per cent."""
    test: float
    """Accuracy, in per cent."""


@dataclass(frozen=True)
class Configuration:
    """One of the eight runs."""

    name: str
    rmcsam: bool
    copies: int
    pretrained: bool
    published: PublishedFigures


CONFIGURATIONS = (
    Configuration("ResNetx10", False, 10, False, PublishedFigures(0.1145, 87.19, 87.21)),
    Configuration("ResNetx10_Pretrain", False, 10, True, PublishedFigures(0.0027, 97.69, 97.67)),
    Configuration("ResNetx20", False, 20, False, PublishedFigures(0.0345, 96.53, 96.51)),
    Configuration("ResNetx20_Pretrain", False, 20, True, PublishedFigures(0.0012, 99.88, 97.67)),
    Configuration("RMCSAMx10", True, 10, False, PublishedFigures(0.0243, 84.72, 90.12)),
    Configuration("RMCSAMx10_Pretrain", True, 10, True, PublishedFigures(0.0007, 91.82, 90.12)),
    Configuration("RMCSAMx20", True, 20, False, PublishedFigures(0.0061, 95.49, 96.51)),
    Configuration("RMCSAMx20_Pretrain", True, 20, True, PublishedFigures(0.0004, 99.77, 99.42)),
)


@dataclass(frozen=True)
class RunResult:
    """The result of one run here, or why it was not run."""

    configuration: Configuration
    note: str = ""
    """Why it was not run ("not run: ..."), or which stand-in weights it used; empty for an ordinary run."""
    validation: Metric | None = None
    """Founding protocol: accuracy on the held-out copies."""
    test: Metric | None = None
    """Founding protocol: accuracy on the originals."""
    loss: float | None = None
    """Founding protocol: the last validation loss."""
    honest: Metric | None = None
    """Honest protocol: cross-validated accuracy, on photos that were held out before anything was copied."""
    curves: Path | None = None
    """The plot of the run's learning curves under the founding protocol."""

    @property
    def can_run(self) -> bool:
        """Whether its initial weights are available."""
        return not self.note.startswith(NOT_RUN)


@dataclass(frozen=True)
class Study:
    """The settings of a study."""

    source: Path
    """The data set."""
    out: Path
    """The study's folder; an interrupted study in it is resumed."""
    quick: bool = False
    """Whether to scale the runs down for a CPU (see QUICK)."""
    precision: ComputePrecision | None = None
    """None: the recipe's."""
    standin: str = ""
    """Initial weights in place of the ImageNet weights that the study took; "" for ImageNet's."""
    arch: str = ""
    """The network; "" for the study's, or that of `quick`."""
    size: int | None = None
    """Pixels a side; None for the study's, or those of `quick`."""
    epochs: int | None = None
    """None for the study's, or those of `quick`."""

    def configure(self, configuration: Configuration, init: str) -> TrainConfig:
        """The founding recipe with this run's changes."""
        values = read_recipe("founding") | (QUICK if self.quick else {})
        run = {"rmcsam": configuration.rmcsam, "copies": configuration.copies, "init": init}
        own = {"precision": self.precision, "arch": self.arch, "size": self.size, "epochs": self.epochs}
        return make_config(**values | run | {key: value for key, value in own.items() if value})


def run_study(
    study: Study, progress: ProgressCallbacks, on_run: Callable[[str], None] = lambda _: None
) -> Iterator[list[RunResult]]:
    """Run those of the eight runs that aren't finished yet, under the founding protocol, then under the honest one.

    Args:
        study: what to run.
        progress: called on notes and epochs.
        on_run: called with each run's name before it begins.

    Yields:
        All eight results so far, after each run that wasn't finished yet, and at the end.

    Raises:
        DataError: the data set can't be trained on, or is too small for FOLDS folds.
        UsageError: `out` holds a study of other values.
    """
    with made_folder("--out", study.out):
        check_trainable(all_trained(read_data(study.source)))
        yield from _run_all(study, progress, on_run)


def _run_all(study: Study, progress: ProgressCallbacks, on_run: Callable[[str], None]) -> Iterator[list[RunResult]]:
    begun = [_begin(study, configuration) for configuration in CONFIGURATIONS]
    results = [result for result, _ in begun]
    for protocol, run, is_done in (("founding", _run_founding, _founding_done), ("honest", _run_honest, _honest_done)):
        for index, (begin, config) in enumerate(begun):
            if begin.can_run:
                name = begin.configuration.name
                is_known = is_done(study, name)
                if not is_known:
                    on_run(f"{name}, {protocol} protocol")
                results = [*results[:index], run(study, results[index], config, progress), *results[index + 1 :]]
                if not is_known:
                    yield results
    yield results


def _begin(study: Study, configuration: Configuration) -> tuple[RunResult, TrainConfig]:
    init, note = _weights(configuration, study.standin, study.configure(configuration, "").arch)
    return RunResult(configuration, note), study.configure(configuration, init)


def _founding_done(study: Study, name: str) -> bool:
    return (study.out / "founding" / name / METRICS).exists()


def _honest_done(study: Study, name: str) -> bool:
    return len(list((study.out / "honest" / name).glob(f"*/{CHECKPOINT}"))) == FOLDS


def _run_founding(study: Study, result: RunResult, config: TrainConfig, progress: ProgressCallbacks) -> RunResult:
    name = result.configuration.name
    run = study.out / "founding" / name
    if not _founding_done(study, name):
        fit(study.source, run, config, progress, resume=True)
    figures = json.loads((run / METRICS).read_text(encoding="utf-8"))
    if figures["config"] != config.settled_as(figures["config"].get("precision")).model_dump(mode="json"):
        raise UsageError(f"--out {study.out}: {name} was run with other values: name a new folder")
    return replace(
        result,
        validation=Metric.model_validate(figures["val"][0]),
        test=Metric.model_validate(figures["test"]),
        loss=figures["epochs"][-1]["val_loss"],
        curves=run / "curves.png",
    )


def _run_honest(study: Study, result: RunResult, config: TrainConfig, progress: ProgressCallbacks) -> RunResult:
    honest = config.model_copy(update={"protocol": "honest", "folds": FOLDS})
    data = all_trained(read_data(study.source))
    folds = train_folds(data, study.out / "honest" / result.configuration.name, honest, progress)
    return replace(result, honest=pool(list(folds), data.classes).accuracy["class"])


def _weights(configuration: Configuration, standin: str, arch: str) -> tuple[str, str]:
    """The initial weights, and the note on them."""
    if not configuration.pretrained:
        return "", ""
    if standin:
        return standin, f"stand-in weights: {Path(standin).name}"
    return (IMAGENET, "") if _has_imagenet(arch) else ("", f"{NOT_RUN}: no weights")


@cache
def _has_imagenet(arch: str) -> bool:
    """Whether ImageNet weights can be had; tried once, since without internet it takes a while to fail."""
    try:
        initialise(CartonNet(arch, 2), arch, IMAGENET)
    except UsageError:
        return False
    return True

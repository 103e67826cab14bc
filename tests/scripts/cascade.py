"""Whether a cascade of two networks pays: python -m tests.scripts.cascade real|drawn|speed ...

real DATA RUN LIST   what RUN, as the small network, would answer. RUN was trained on the photos outside the held-out
                     quarter without the products of one list (tests/scripts/real/left_out.txt, from 1), with
                     --refit 0. No large network helps: whatever it says a wrong yes to counts.
drawn WORK           a cascade that is trained on drawn photos without three products, exported, and shown photos of
                     its products, of the three (strangers) and of one of them once it is enrolled.
speed SHARE          inference time of the large network alone, and of the cascade where the small one answers that
                     share of 16 crops: in turn, random weights, ResNet-50 + RMCSAM and EfficientNet-Lite0 in eight
                     bits at 224 px. [--rounds 20] [--threads 1] [--small NAME] [--large NAME]
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from tests.benchmarks.networks import bundle_of
from tests.benchmarks.pairs import Estimate, in_turn, median, ratio
from tests.scripts.real_data import quarter, read, siblings, without
from tests.scripts.steps import percent, run, run_json

if TYPE_CHECKING:
    from export.cascade_fit import JudgedNetwork
    from kardus.contract.manifest import CascadeFit, ClassInfo
    from kardus.inference.preprocess import Pixels
    from train.data.data_set import Sample

LOCATIONS = 16
LEFT_OUT = ("Tea-Peach", "Noodles-Shrimp", "Juice-Guava")
"""Of each family one: what is left of it is most like it."""
LOSSES = (0.1, 1.0)
"""Points that may be lost; the first is the default."""


def real(source: Path, path: Path, number: int) -> None:
    """What a run answers of the held-out photos, and of its strangers."""
    from export.cascade_fit import JudgedNetwork, fit_cascade
    from train.data.splits import photo_groups
    from train.evaluation.outputs import run_network
    from train.networks.checkpoint import load_checkpoint

    known, strange = without(quarter(read(source)), siblings()[number - 1])
    held = [marked.sample for marked in known if marked.part == "val"]
    checkpoint = load_checkpoint(path)
    network, told = checkpoint.model(), checkpoint.calibration
    samples = {"held": held, "strangers": [marked.sample for marked in strange]}
    outputs = {name: run_network(network, _crops(own, checkpoint.config.size)) for name, own in samples.items()}
    judged = {name: JudgedNetwork(own, told, checkpoint.prototypes.numpy()) for name, own in outputs.items()}
    never = told.model_copy(update={"rejection_threshold": 1e9})  # it calls nothing a match
    for loss in LOSSES:
        fit = fit_cascade(
            judged["held"],
            replace(judged["held"], calibration=never),
            checkpoint.classes,
            [sample.name for sample in held],
            photo_groups(held),
            max_loss=loss,
            fitted_on="",
        )
        print(f"{loss} points: likelihood {fit.likelihood:.4f}, score {fit.score:.2f}")
        for metric in (fit.answered, fit.lost, fit.strangers):
            print(f"  {metric.name}: {percent(metric.model_dump())}")
        _print_yes(judged["strangers"], checkpoint.classes, fit, len(strange))


def _crops(samples: "list[Sample]", size_px: int) -> "Pixels":
    from train.data.data_set import DataSet
    from train.data.photos import load_crops

    return load_crops(DataSet(Path(), tuple(samples), ()), size_px, "Reading photos")


def _print_yes(strangers: "JudgedNetwork", classes: "tuple[ClassInfo, ...]", fit: "CascadeFit", count: int) -> None:
    """To how many true strangers it says yes, where what it finds likeliest is expected; and would alone."""
    from train.evaluation.calibration import SURE
    from train.evaluation.metrics import proportion

    answers, scores = strangers.answers(classes, None, range(count))
    named = [
        (seen.confidence, score) for seen, score in zip(answers, scores, strict=True) if seen.known and not seen.doubted
    ]
    for what, likelihood, least in (("as the small network", fit.likelihood, fit.score), ("alone", SURE, -np.inf)):
        yes = sum(confidence >= likelihood and score >= least for confidence, score in named)
        share = percent(proportion("", yes, count).model_dump())
        print(f"  products left out, taken for what is expected, {what}: {share}")


def drawn(work: Path) -> None:
    """Train, export, evaluate, enrol."""
    from simulator.dataset import write_dataset

    write_dataset(work / "train", seed=21, train=16, val=24, side_px=96)
    write_dataset(work / "fresh", seed=22, train=0, val=40, side_px=96)
    tables = {part: _tables(work / part) for part in ("train", "fresh")}
    shared = ("--size", "64", "--first-size", "0", "--epochs", "40", "--batch", "16", "--lr", "4e-3", "--refit", "0")
    for name, arch in (("small", "timm:test_efficientnet"), ("large", "timm:test_resnet")):
        if not (work / name / "report.html").exists():
            run(
                "kardus-train",
                "fit",
                tables["train"][0],
                "--out",
                work / name,
                "--recipe",
                "scratch",
                "--arch",
                arch,
                *shared,
            )
    for loss in LOSSES:
        bundle = work / f"cascade-{loss}.bundle"
        run("kardus-export", "build", work / "large", "--small", work / "small", "--out", bundle, "--max-loss", loss)
        _print_cascade(bundle, *tables["fresh"])
        strangers = [line.split(",")[0] for line in tables["fresh"][1].read_text().splitlines() if LEFT_OUT[0] in line]
        enrolled = work / f"enrolled-{loss}.bundle"
        run("kardus-export", "enroll", bundle, *strangers[:5], "--name", LEFT_OUT[0], "--out", enrolled)
        rest = work / "enrolled.csv"
        rest.write_text("path,name\n" + "".join(f"{photo},{LEFT_OUT[0]}\n" for photo in strangers[5:]))
        for made in (bundle, enrolled):
            print(f"{LEFT_OUT[0]}, not the five photos:", end=" ")
            _print_cascade(made, tables["fresh"][0], rest)


def _tables(folder: Path) -> tuple[Path, Path]:
    """The photos of the products that are learnt, and of those that are left out."""
    lines = (folder / "labels.csv").read_text().splitlines()
    known, strange = folder.with_suffix(".csv"), folder.with_name(f"{folder.name}-strange.csv")
    rows = [(f"{folder.resolve()}/{line}", line.split(",")[1] in LEFT_OUT) for line in lines[1:]]
    for path, wanted in ((known, False), (strange, True)):
        path.write_text("\n".join([lines[0], *(row for row, is_strange in rows if is_strange is wanted)]) + "\n")
    return known, strange


def _print_cascade(bundle: Path, known: Path, unknown: Path) -> None:
    found = run_json("kardus-train", "evaluate", bundle, known, "--unknown", unknown, "--json")
    print(f"  large, by SKU: {percent(found['accuracy']['sku'])}")
    print(f"  large, strangers taken for a product: {percent(found['rejection']['taken'])}")
    for name, metric in found["cascade"].items():
        print(f"  small, {name}: {percent(metric)}")


def speed(share: float, rounds: int, threads: int, names: tuple[str, str]) -> None:
    """Time both, in turn."""
    small, large = (Classifier(read_bundle(bundle_of(name, print)), threads) for name in names)
    crops = np.random.default_rng(0).integers(0, 256, (LOCATIONS, large.size_px, large.size_px, 3), dtype=np.uint8)
    rest = crops[: round((1 - share) * LOCATIONS)]

    def cascade() -> None:
        small.run(crops)
        if len(rest):
            large.run(rest)

    works: dict[str, Callable[[], object]] = {"large": lambda: large.run(crops), "cascade": cascade}
    times = in_turn(works | {"small": lambda: small.run(crops)}, rounds)
    for name, own in times.items():
        print(f"{name}: {_told(median([1000 * seconds for seconds in own]))} ms")
    gained = _told(ratio(times["large"], times["cascade"]))
    print(f"large / cascade, {len(rest)} of {LOCATIONS} left to the large one: {gained}")
    print(f"large / small: {_told(ratio(times['large'], times['small']))}")


def _told(found: Estimate) -> str:
    return f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g}, n = {found.n})"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    own = parts.add_parser("real")
    own.add_argument("data", type=Path)
    own.add_argument("run", type=Path)
    own.add_argument("list", type=int)
    parts.add_parser("drawn").add_argument("work", type=Path)
    timed = parts.add_parser("speed")
    timed.add_argument("share", type=float)
    timed.add_argument("--rounds", type=int, default=20)
    timed.add_argument("--threads", type=int, default=1)
    timed.add_argument("--small", default="kardus-int8")
    timed.add_argument("--large", default="resnet50-rmcsam-int8")
    given = parser.parse_args()
    if given.part == "real":
        real(given.data, given.run, given.list)
    elif given.part == "drawn":
        given.work.mkdir(parents=True, exist_ok=True)
        drawn(given.work)
    else:
        speed(given.share, given.rounds, given.threads, (given.small, given.large))


if __name__ == "__main__":
    main()

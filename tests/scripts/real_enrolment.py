"""How well products that were left out of training are enrolled from a few of their photos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.scripts.real_data import Marked, quarter, siblings, without, write_table
from tests.scripts.steps import percent, run, run_json
from train.data.data_set import DataSet

CHOICES = ((0, 1, 2), (2, 3, 4), (0, 2, 4))
"""Which three of each list's five products are enrolled together, in the order of their names."""
SHOTS = (5, 1)


def measure_enrolment(data: DataSet, work: Path) -> None:
    """Enrol three products at a time into the model of each list of siblings; needs its runs (`siblings`)."""
    for shots in SHOTS:
        right, lost = [], []
        for number, names in enumerate(siblings(), 1):
            if not (work / f"siblings-{number}" / "report.html").exists():
                print(f"list {number}: no run yet: run `siblings` first")
                continue
            bundle = work / f"siblings-{number}.bundle"
            if not bundle.exists():
                run("kardus-export", "build", work / f"siblings-{number}", "--out", bundle)
            known = write_table(work / "enrolment-known.csv", data, without(quarter(data), names)[0])
            before = _right(bundle, known, "val")
            for choice in CHOICES:
                chosen = [sorted(names)[place] for place in choice]
                fresh, others = _drawn(data, chosen, shots)
                enrolled = _enrol(bundle, work, chosen, fresh)
                new = _right(enrolled, write_table(work / "enrolment-new.csv", data, others), "all")
                after = _right(enrolled, known, "val")
                right.append(new)
                lost.append(100 * (before["value"] - after["value"]))
                print(f"list {number}, {', '.join(chosen)}: {percent(new)}, {lost[-1]:.2f} points lost on the others")
        if right:
            hits = sum(round(metric["value"] * metric["n"]) for metric in right)
            count = sum(int(metric["n"]) for metric in right)
            print(f"\nfrom {shots} photos: {100 * hits / count:.1f} % of {count} right, least of a choice")
            print(f"{100 * min(m['value'] for m in right):.1f} %; lost: mean {np.mean(lost):.2f}, most {max(lost):.2f}")


def _drawn(data: DataSet, names: Sequence[str], shots: int) -> tuple[dict[str, list[Path]], list[Marked]]:
    """So many photos of each product, and all the others of them."""
    rng = np.random.default_rng(0)
    fresh: dict[str, list[Path]] = {}
    others: list[Marked] = []
    for name in names:
        own = [sample for sample in data.samples if sample.name == name]
        order = rng.permutation(len(own))
        fresh[name] = [own[index].path for index in order[:shots]]
        others += [Marked(replace(own[index], split=""), "") for index in order[shots:]]
    return fresh, others


def _enrol(bundle: Path, work: Path, names: Sequence[str], fresh: dict[str, list[Path]]) -> Path:
    for place, name in enumerate(names):
        out = work / f"enrolment-{place}.bundle"
        run("kardus-export", "enroll", bundle, *fresh[name], "--name", name, "--out", out)
        bundle = out
    return bundle


def _right(bundle: Path, table: Path, split: str) -> dict[str, float]:
    """By class, whatever the rejection says."""
    figures = run_json("kardus-train", "evaluate", bundle, table, "--split", split, "--json")
    metric: dict[str, float] = figures["accuracy"]["class"]
    return metric

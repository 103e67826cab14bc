"""Parts of a data set of real photos, as tables of their own: which photos are trained on, and which are measured on.

The photos lie in a folder with labels.csv and classes.csv, as docs/data.md describes; nothing is copied.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.data.data_set import DataSet, Sample, read_data

HERE = Path(__file__).parent / "real"
HELD_OUT = HERE / "held_out.txt"
"""A grouped, stratified quarter: no recipe was ever chosen on it."""
LEFT_OUT = HERE / "left_out.txt"
"""Lists of siblings, one a line, that are left out of training to be rejected."""


@dataclass(frozen=True)
class Marked:
    """A photo with its part: train, val or test."""

    sample: Sample
    part: str


def quarter(data: DataSet) -> list[Marked]:
    """The held-out quarter as val, the other photos as train."""
    held = set(HELD_OUT.read_text(encoding="utf-8").split())
    return [Marked(s, "val" if str(s.path.relative_to(data.source)) in held else "train") for s in data.samples]


def few(data: DataSet, each: int, seed: int) -> list[Marked]:
    """So many photos of each class without a mark, to train on and to hold out from; the others as test."""
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    for name in sorted({sample.name for sample in data.samples}):
        own = [i for i, sample in enumerate(data.samples) if sample.name == name]
        chosen.update(int(i) for i in rng.permutation(own)[:each])
    return [Marked(sample, "" if index in chosen else "test") for index, sample in enumerate(data.samples)]


def without(marked: Iterable[Marked], names: set[str]) -> tuple[list[Marked], list[Marked]]:
    """The photos of other classes, and those of these classes."""
    everything = list(marked)
    return [m for m in everything if m.sample.name not in names], [m for m in everything if m.sample.name in names]


def siblings() -> list[set[str]]:
    """The lists of products that are left out together."""
    return [set(line.split()) for line in LEFT_OUT.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_table(path: Path, data: DataSet, marked: Iterable[Marked]) -> Path:
    """A table with the photos' paths, names, categories and parts."""
    category = {info.name: info.category for info in data.classes}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "name", "category", "split"))
        writer.writerows((m.sample.path, m.sample.name, category[m.sample.name], m.part) for m in marked)
    return path


def read(source: Path) -> DataSet:
    """The data set, at its absolute path."""
    return read_data(source.resolve())

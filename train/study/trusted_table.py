"""The table to train on that is left of labelled photos and proposals: a data set of its own, in the run's folder."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from kardus.contract.manifest import ClassInfo
from kardus.support.files import write_whole
from kardus.support.tabular.text_cells import cell_of
from train.data.data_set import Sample

TRUSTED = "trusted.csv"
_COLUMNS = ("path", "name", "split", "group", "category", "sku", "gtin", "variant", "face")


def write_trusted(path: Path, samples: Iterable[Sample], classes: Mapping[str, ClassInfo]) -> None:
    """Write them as a CSV table, whole or not at all; photos by their way from its folder.

    Args:
        path: the table.
        samples: the photos to train on, and those that are marked as held out.
        classes: by name, those of the samples and others.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for sample in samples:
        of = classes[sample.name]
        where = os.path.relpath(sample.path.resolve(), path.parent.resolve())
        row = (where, sample.name, sample.split, sample.group, of.category, of.sku, of.gtin, of.variant, of.face)
        writer.writerow([cell_of(row[0]), cell_of(row[1]), *row[2:]])  # what is no code is read as it is written
    write_whole(path, text.getvalue().encode())

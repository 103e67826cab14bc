"""Writes what people have said of pictures as a data set that `kardus-train fit` takes as it is (docs/data.md).

FOLDER/labels.csv      photos with their products; `group` says which are of one carton
FOLDER/photos/         those photos
FOLDER/classes.csv     where one was given
FOLDER/strangers/      what is none of our products: for `evaluate --unknown`
"""

import csv
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from kardus.contract.manifest import EMPTY_CLASS, class_name
from kardus.contract.proposals import COLUMNS, ProposalStatus
from kardus.support.errors import DataError, UsageError
from kardus.support.files import appearing, require_new_folder
from kardus.support.tabular.tables import read_table
from kardus.support.tabular.text_cells import cell_of
from warehouse.store.database import Database
from warehouse.store.labels import STANDS, TEACHING, StatedTruth
from warehouse.store.pictures import PictureStore
from warehouse.store.tables import labels, pictures

PHOTOS, STRANGERS = "photos", "strangers"
_HEADER = (*COLUMNS, "category", "group")
Faces = Mapping[str, Sequence[str]]
"""The classes of each product."""


@dataclass(frozen=True)
class ExportedTrainingSet:
    """What was written as a data set."""

    photos: int
    """Photos that show a product, or an empty location."""
    strangers: int
    """Photos that show what is none of our products."""
    faceless: int
    """Of `photos`: left as proposals, since the product has several classes and nobody said which one is shown."""
    without_picture: int
    """Labels of events that have no picture, or no longer: not written."""
    unlisted: tuple[str, ...]
    """Products that the given classes don't have."""


def export_training_set(
    database: Database, store: PictureStore, folder: Path, classes: Path | None
) -> ExportedTrainingSet:
    """Write every label that stands, with its crop: whole, or not at all.

    Args:
        database: with the labels.
        store: its pictures.
        folder: is made.
        classes: `classes.csv` of the data set that it is to stand beside; None: a product is its own class.

    Raises:
        DataError: nothing is labelled, the classes can't be read, or the disk doesn't take it.
        StoreError: the database or the pictures can't be read.
        UsageError: the folder is there already, or can't be made.
    """
    require_new_folder("FOLDER", folder)
    faces = _faces(classes) if classes else {}
    rows, groups = _labelled(database)
    try:
        with appearing(folder) as building:
            if classes:
                shutil.copyfile(classes, building / "classes.csv")
            return _write(rows, groups, store, building, faces if classes else None)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}): check its rights and its space") from error


def carton_groups(rows: Sequence[Any]) -> list[str]:
    """Which labels are of one carton: of one agent and location, as long as the same stands there.

    Args:
        rows: rows of `labels`, of any order.

    Returns:
        A name for each, unlike those of other databases' cartons.
    """
    found: dict[int, str] = {}
    standing: dict[tuple[str, str], tuple[tuple[str, str], str]] = {}
    for place in sorted(range(len(rows)), key=lambda index: (rows[index].captured, rows[index].number)):
        row = rows[place]
        there, what = (row.agent, row.location), (row.truth, row.sku)
        if there not in standing or standing[there][0] != what:
            standing[there] = (what, hashlib.sha256(row.event.encode()).hexdigest()[:16])
        found[place] = standing[there][1]
    return [found[index] for index in range(len(rows))]


def _labelled(database: Database) -> tuple[list[Row[Any]], list[str]]:
    """The labels that stand, each with its picture's file, and their groups."""
    chosen = select(labels, pictures.c.file).outerjoin(pictures, pictures.c.event == labels.c.event)
    teaching = chosen.where(STANDS, labels.c.truth.in_([truth.value for truth in TEACHING]))
    with database.reading() as connection:
        rows = list(connection.execute(teaching.order_by(labels.c.number)).all())
    if not any(row.file for row in rows):
        raise DataError(f"{database.address}: no picture is labelled: say what some show, see docs/teaching.md")
    return rows, carton_groups(rows)


def _write(
    rows: Sequence[Row[Any]], groups: Sequence[str], store: PictureStore, building: Path, faces: Faces | None
) -> ExportedTrainingSet:
    counts: dict[str, int] = defaultdict(int)
    unlisted: dict[str, None] = {}
    (building / PHOTOS).mkdir()
    with (building / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, _HEADER, restval="", lineterminator="\n")
        table.writeheader()
        for row, group in zip(rows, groups, strict=True):
            jpeg = store.read(row.file) if row.file else None
            if jpeg is None:
                counts["without"] += 1
                continue
            is_foreign = row.truth == StatedTruth.FOREIGN
            path = building / (STRANGERS if is_foreign else PHOTOS) / f"{row.number:08d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(jpeg)
            counts[path.parent.name] += 1
            if is_foreign:
                continue
            line = _line(row, faces)
            counts["faceless"] += line["status"] == ProposalStatus.PROPOSED
            unlisted |= {line["proposed"]: None} if line.get("category") else {}
            table.writerow({**line, "path": f"{PHOTOS}/{path.name}", "group": group})
    if not counts[PHOTOS]:
        raise DataError("no picture of a product is labelled that is still there: say what some show")
    return ExportedTrainingSet(
        counts[PHOTOS], counts[STRANGERS], counts["faceless"], counts["without"], tuple(unlisted)
    )


def _line(row: Row[Any], faces: Faces | None) -> dict[str, str]:
    """A line of labels.csv, without path and group."""
    product = EMPTY_CLASS if row.truth == StatedTruth.EMPTY else row.sku
    own = [product] if faces is None else list(faces.get(product, (product,)))
    name = row.name or (own[0] if len(own) == 1 else "")
    new = faces is not None and product not in faces and product != EMPTY_CLASS
    return {
        "name": cell_of(name),
        "status": ProposalStatus.CONFIRMED if name else ProposalStatus.PROPOSED,
        "proposed": product,
        "seen": row.seen or ("" if row.seen is None else EMPTY_CLASS),
        "confidence": "" if row.confidence is None else f"{row.confidence:.3f}",
        "verdict": row.verdict,
        "location": row.location,
        "camera": row.camera,
        "captured": row.captured.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "category": product if new else "",
    }


def _faces(classes: Path) -> Faces:
    if not classes.is_file():
        raise UsageError(f"--classes {classes}: no such file: name a classes.csv, see docs/data.md")
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_table(classes, ("name", "category")):
        name = class_name(row.values["name"])
        found[class_name(row.values.get("sku") or name)].append(name)
    return found

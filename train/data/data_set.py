"""Reads a labelled data set. Imports no torch.

A data set is a folder with `labels.csv` (`path,name[,split][,group]`, or an agent's harvest: see train.data.proposals)
and optionally `classes.csv` (`class,name,category[,sku,gtin,variant,face]`); or a folder of such folders; or a folder
with one sub-folder for each class, or with `train`, `val` and `test` of such sub-folders; or a path to a `.csv` or
`.xlsx` file with the columns of `labels.csv` (`category` may stand in it).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kardus.contract.manifest import MAX_CLASS_NAME, ClassInfo
from kardus.inference.photo_files import is_hidden, sort_folder
from kardus.support.errors import DataError
from kardus.support.spelling import find_spelt, require_utf8
from kardus.support.tabular.tables import Row
from train.data.class_folders import SPLIT_NAMES, read_class_folders
from train.data.label_table import read_label_table
from train.data.proposals import ProposedLabel, sort_out

SPLITS = ("train", "val", "test")
SPLIT_HELP = f"use {', '.join(SPLITS)}, or leave it empty"
_OWN_COLUMNS = ("category", "sku", "gtin", "variant", "face")


@dataclass(frozen=True)
class Sample:
    """One labelled photo; `split` is empty where the data set marks none.

    Photos of one `group` (of one carton, say) are never divided; empty: only near-duplicates hold together.
    """

    path: Path
    name: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class DataSet:
    """Labelled photos and their classes, in the order of the model's outputs."""

    source: Path
    samples: tuple[Sample, ...]
    classes: tuple[ClassInfo, ...]
    notes: tuple[str, ...] = ()
    """Notes for the user, such as on photos that were skipped."""
    proposals: tuple[ProposedLabel, ...] = ()
    """Photos of an agent's harvest with labels that nobody has confirmed: they are not in `samples`."""

    def select(self, split: str) -> "DataSet":
        """The photos of one split; "all" keeps every photo.

        Raises:
            DataError: no photo is in the split.
        """
        chosen = tuple(s for s in self.samples if split in ("all", s.split))
        if not chosen:
            marked = sorted({s.split for s in self.samples if s.split})
            there = f"it marks {', '.join(marked)}" if marked else "it marks no split: use --split all"
            raise DataError(f"{self.source}: no photo in split '{split}': {there}")
        return replace(self, samples=chosen)

    def sha256(self) -> str:
        """A hash over the labels and the photos' bytes, independent of the folder's path.

        Raises:
            DataError: a photo can't be read.
        """
        digest = hashlib.sha256()
        for sample in sorted(self.samples, key=lambda s: (s.name, s.path.name)):
            digest.update(f"{sample.name}\0{sample.split}\0".encode())
            try:
                digest.update(hashlib.sha256(sample.path.read_bytes()).digest())
            except OSError as error:
                raise DataError(f"{sample.path}: can't be read ({error.strerror}): restore the photo") from error
        return digest.hexdigest()


def read_data(source: Path, *, photos_must_exist: bool = True, proposals_suffice: bool = False) -> DataSet:
    """Read a data set in any of its forms; photos are located but not opened.

    With `proposals_suffice`, a data set of nothing but proposals is accepted, too.

    Raises:
        DataError: the data set is missing, empty, lacks a column, names a missing photo or an unknown class.
    """
    if not source.exists():
        raise DataError(f"{source}: no such data set: name a folder, or a .csv or .xlsx file")
    require_utf8(source.resolve())
    tables = [source] if source.is_file() else _tables_in(source)
    if not tables:
        return _from_folders(source)
    data = _together(source, [_from_table(source, table, photos_must_exist=photos_must_exist) for table in tables])
    if not data.samples and not proposals_suffice:
        raise DataError(
            f"{source}: its {len(data.proposals)} photos are proposals: confirm them, or use fit --trust-proposed"
        )
    return data


def _tables_in(source: Path) -> list[Path]:
    own = source / "labels.csv"
    parts = (path for path in source.glob("*/labels.csv") if not is_hidden(path.parent.name))
    return [own] if own.exists() else sorted(parts)


def check_trainable(data: DataSet) -> None:
    """Require two photos of every class of a training split, and two classes.

    Raises:
        DataError: there are fewer.
    """
    counts = Counter(sample.name for sample in data.samples)
    if len(counts) < 2:  # noqa: PLR2004
        raise DataError(f"{data.source}: only class '{next(iter(counts))}' is in it: a classifier needs two or more")
    for name, count in counts.items():
        if count < 2:  # noqa: PLR2004
            raise DataError(
                f"{data.source}: class '{name}' has one photo to train on: "
                "add photos (10 or more are advised), or remove it"
            )


def _together(source: Path, parts: Sequence[DataSet]) -> DataSet:
    """Several data sets as one, such as the harvests of several boxes.

    Raises:
        DataError: two of them describe a class differently.
    """
    classes: dict[str, ClassInfo] = {}
    for info in (info for part in parts for info in part.classes):
        if classes.setdefault(info.name, info) != info:
            raise DataError(f"{source}: class '{info.name}' is described differently in its folders: make them agree")
    return DataSet(
        source,
        tuple(sample for part in parts for sample in part.samples),
        tuple(classes.values()),
        tuple(note for part in parts for note in part.notes),
        tuple(proposal for part in parts for proposal in part.proposals),
    )


def _from_table(source: Path, table: Path, *, photos_must_exist: bool) -> DataSet:
    rows, proposals = sort_out(table, read_label_table(table, required=("path", "name")))
    samples = tuple(_sample(table, row) for row in rows)
    if not samples and not proposals:
        raise DataError(f"{table}: no photo is listed: add lines of path,name")
    missing = next((s.path for s in samples if not s.path.is_file()), None)
    if missing is not None and photos_must_exist:
        line = next(row.line for row, s in zip(rows, samples, strict=True) if s.path == missing)
        raise DataError(f"{table}: line {line}: no photo at {missing}: restore it, or remove the line")
    return DataSet(source, samples, _classes(table, rows), _without_photos(table, samples), proposals)


def _sample(table: Path, row: Row) -> Sample:
    path, name = row.values.get("path", ""), row.values.get("name", "")
    marked = row.values.get("split", "")
    if not path or not name:
        raise DataError(f"{table}: line {row.line}: path and name must both be filled in")
    split = SPLIT_NAMES.get(marked.lower(), "")
    if marked and not split:
        raise DataError(f"{table}: line {row.line}: split '{marked}': {SPLIT_HELP}")
    return Sample(find_spelt(table.parent, path), name, split, row.values.get("group", ""))


def _classes(table: Path, rows: list[Row]) -> tuple[ClassInfo, ...]:
    """The classes that the table uses. Its own columns override those of `classes.csv`.

    In the order of `classes.csv` where there is one, else by name.
    """
    own = _described(table, rows)
    classes_file = table.parent / "classes.csv"
    if not classes_file.exists():
        return tuple(_class_info(table, own[name]) for name in sorted(own))
    lines = read_label_table(classes_file, required=("name", "category"))
    known = _described(classes_file, lines)
    for row in rows:
        if row.values["name"] not in known and not row.values.get("category"):
            raise DataError(
                f"{table}: line {row.line}: class '{row.values['name']}' is not in {classes_file.name}: "
                "add it there, or correct the name"
            )
    names = [name for name in known if name in own] + sorted(set(own) - set(known))
    return tuple(_class_info(classes_file, _merged(known.get(name), own[name])) for name in names)


def _without_photos(table: Path, samples: tuple[Sample, ...]) -> tuple[str, ...]:
    """A note on the classes of `classes.csv` without a photo: one line, since a part of a data set lacks many."""
    classes_file = table.parent / "classes.csv"
    if not classes_file.exists():
        return ()
    listed = dict.fromkeys(row.values["name"] for row in read_label_table(classes_file, required=("name", "category")))
    there = {sample.name for sample in samples}
    lacking = [name for name in listed if name not in there]
    if not lacking:
        return ()
    what = f"class '{lacking[0]}' has" if len(lacking) == 1 else f"{len(lacking)} classes, such as '{lacking[0]}', have"
    return (f"{classes_file}: {what} no photo in {table.name}: add photos, unless they are left out on purpose",)


def _described(table: Path, rows: list[Row]) -> dict[str, Row]:
    """One row for each class: the columns that describe it, gathered from all its lines.

    Raises:
        DataError: a line has no name, or two lines say different things of one class.
    """
    found: dict[str, Row] = {}
    for row in rows:
        name = row.values.get("name")
        if not name:
            raise DataError(f"{table}: line {row.line}: name must be filled in")
        said = {key: row.values[key] for key in _OWN_COLUMNS if row.values.get(key)}
        first = found.setdefault(name, Row(row.line, {"name": name}))
        for key, value in said.items():
            if first.values.setdefault(key, value) != value:
                raise DataError(
                    f"{table}: line {row.line}: {key} of class '{name}' is '{value}' here and "
                    f"'{first.values[key]}' from line {first.line} on: make them agree"
                )
    return found


def _merged(base: Row | None, own: Row) -> Row:
    return Row(base.line, base.values | own.values) if base else own


def _class_info(table: Path, row: Row) -> ClassInfo:
    values = row.values
    name = values["name"]
    for column in ("name", "sku"):
        if len(values.get(column, "")) > MAX_CLASS_NAME:
            most = f"{MAX_CLASS_NAME} characters"
            raise DataError(f"{table}: line {row.line}: {column} is longer than {most}: shorten it")
    return ClassInfo(
        name=name,
        category=values.get("category") or name,
        sku=values.get("sku") or name,
        gtin=values.get("gtin", ""),
        variant=values.get("variant", ""),
        face=values.get("face", ""),
    )


def _from_folders(source: Path) -> DataSet:
    found = read_class_folders(source)
    if not found.photos:
        raise DataError(f"{source}: no labels.csv and no class folder with photos in it: {_where_else(source)}")
    samples = tuple(Sample(photo.path, photo.name, photo.split) for photo in found.photos)
    names = sorted({sample.name for sample in samples})
    return DataSet(source, samples, tuple(ClassInfo(name=n, category=n, sku=n) for n in names), found.notes)


def _where_else(source: Path) -> str:
    """What to do about a folder that is no data set: an archive's is often unpacked into one of the same name."""
    within = sort_folder(source).folders
    if len(within) == 1 and read_class_folders(within[0]).photos:
        return f"they are in its only folder: name {within[0]}"
    return "see docs/data.md for the format"

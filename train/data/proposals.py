"""Proposed labels: photos that an agent has collected, with a label that is yet to be confirmed. Imports no torch.

A row of `labels.csv` that has a `name` is a labelled photo, whatever else it says, unless its `status` is `rejected`.
Without a name, a `confirmed` row takes the `proposed` product as its name, and any other row is a proposal.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kardus.contract.proposals import ProposalStatus
from kardus.support.errors import DataError
from kardus.support.spelling import find_spelt
from kardus.support.tabular.tables import Row
from train.data.label_table import read_label_table

_STATUSES = tuple(status.value for status in ProposalStatus)
Faces = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ProposedLabel:
    """One photo with its proposed label."""

    path: Path
    sku: str
    """The product that the WMS expected there, or `empty`."""
    name: str
    """The class of that product; empty where it has several faces, and the model predicted none of them."""
    group: str = ""
    """As a labelled photo's."""


def sort_out(table: Path, rows: Sequence[Row]) -> tuple[list[Row], tuple[ProposedLabel, ...]]:
    """The labelled rows of a table, each with its name, and its proposals; rejected rows are neither.

    Raises:
        DataError: a status is none of those that there are, or a confirmed row doesn't say which face is shown.
    """
    faces = _faces(table, rows)
    labelled, proposals = [], []
    for row in rows:
        status, proposed = row.values.get("status", "").lower(), row.values.get("proposed", "")
        if status and status not in _STATUSES:
            raise DataError(f"{table}: line {row.line}: status '{status}': use {', '.join(_STATUSES)}")
        if status == ProposalStatus.REJECTED:
            continue
        if row.values.get("name") or not proposed or not row.values.get("path"):
            labelled.append(row)
        elif status == ProposalStatus.CONFIRMED:
            labelled.append(row._replace(values=row.values | {"name": _confirmed(table, row, faces)}))
        else:
            name = _class_of(proposed, row.values.get("seen", ""), faces)
            path, group = find_spelt(table.parent, row.values["path"]), row.values.get("group", "")
            proposals.append(ProposedLabel(path, proposed, name, group))
    return labelled, tuple(proposals)


def left_out_note(source: Path, proposals: Sequence[ProposedLabel]) -> tuple[str, ...]:
    """The note on proposals that aren't used; empty where there are none."""
    if not proposals:
        return ()
    return (f"{source}: {len(proposals)} proposals that nobody has confirmed are left out",)


def _faces(table: Path, rows: Sequence[Row]) -> Faces:
    """The classes of each product, from `classes.csv` and the labelled rows."""
    classes_file = table.parent / "classes.csv"
    known = read_label_table(classes_file, required=("name", "category")) if classes_file.exists() else []
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for row in [*known, *rows]:
        name = row.values.get("name")
        if name:
            found[row.values.get("sku") or name][name] = None
    return {sku: tuple(names) for sku, names in found.items()}


def _class_of(sku: str, seen: str, faces: Faces) -> str:
    """The class of a product: its only one, the one that the model predicted, or a new one with the product's name."""
    own = faces.get(sku, (sku,))
    if len(own) == 1:
        return own[0]
    return seen if seen in own else ""


def _confirmed(table: Path, row: Row, faces: Faces) -> str:
    sku = row.values["proposed"]
    name = _class_of(sku, row.values.get("seen", ""), faces)
    if not name:
        own = ", ".join(faces[sku])
        raise DataError(f"{table}: line {row.line}: '{sku}' has several faces ({own}): fill in name with the one shown")
    return name

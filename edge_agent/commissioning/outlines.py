"""Proposes the outlines of locations from their labels: above a label that sticks below its opening, or below it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from edge_agent.commissioning.rack_plane import RackPlane, rack_plane
from kardus.codes.labels import RackLabel, labels_near
from kardus.inference.geometry import Float64Array, inverse, is_convex, project, rectangle

LabelSide = Literal["below", "above"]
GAP = 0.1
"""Share of a column's width between neighbours: the uprights."""
AIR = 0.06
"""Share of a row's height between an opening and the beam above it."""
EDGE = 0.015
"""Share of a row's height between a label and the edge of its beam."""
MAX_LACKING = 3
"""A wider gap in a row that is in no grid is taken for one between racks."""
_MIN_INSIDE = 0.5
_BETWEEN = (0.5, 1.5)
"""A neighbour is as far away as the row's labels are from one another, by these factors."""


@dataclass(frozen=True)
class Proposal:
    """A location's outline in a picture."""

    code: str | None
    """The location's code; None: its label can't be read."""
    corners: Float64Array
    """(4, 2): top left, top right, bottom right, bottom left as they appear on the carton, in pixels."""


@dataclass(frozen=True)
class FoundLabels:
    """What the labels of a picture tell."""

    proposals: tuple[Proposal, ...]
    """Of every label that was read; and of places between them whose label wasn't, without a code."""
    remarks: tuple[str, ...]
    """What a person should look at."""

    @property
    def named(self) -> list[tuple[str, Float64Array]]:
        """The outlines that have a code."""
        return [(one.code, one.corners) for one in self.proposals if one.code is not None]

    @property
    def unread(self) -> list[Float64Array]:
        """The outlines of places whose label can't be read."""
        return [one.corners for one in self.proposals if one.code is None]


@dataclass(frozen=True)
class _Row:
    """A row of labels in the rack's units."""

    x: Float64Array
    """(n) from left to right."""
    y: float
    codes: tuple[str | None, ...]
    """(n): None where none was read."""


def propose(labels: Sequence[RackLabel], picture: Image.Image, side: LabelSide = "below") -> FoundLabels:
    """Outlines of the locations that labels in a picture stand for.

    Args:
        labels: as `find_labels` gives them.
        picture: what they were found in: places between them are looked at once more.
        side: whether a label is below the opening of its location, or above.
    """
    repeated = {code for code, count in Counter(label.code for label in labels).items() if count > 1}
    remarks = [f"'{code}' stands on several labels: none of them is used" for code in sorted(repeated)]
    labels = [label for label in labels if label.code not in repeated]
    if not labels:
        return FoundLabels((), (*remarks, "no label was read"))
    plane = rack_plane(labels)
    labels = [*labels, *_reread_labels(labels, plane, picture, repeated)]
    plane = rack_plane(labels)
    rows = _rows(labels, plane)
    proposals = _proposals(rows, _label_edges(labels, plane), side, plane, picture.size)
    if len(rows) == 1:
        remarks.append("one row of labels doesn't tell how high its openings are: they are taken to be as high as wide")
    unread = sum(one.code is None for one in proposals)
    if unread:
        remarks.append(f"unread labels: {unread}: give these locations their code yourself, or mend the labels")
    return FoundLabels(tuple(proposals), tuple(remarks))


def _reread_labels(
    labels: Sequence[RackLabel], plane: RackPlane, picture: Image.Image, repeated: set[str]
) -> list[RackLabel]:
    """Labels that are read only where one knows that they are."""
    if plane.cells is None:
        return []
    taken = {tuple(cell) for cell in plane.cells.tolist()}
    low, high = plane.cells.min(axis=0), plane.cells.max(axis=0)
    free = [
        (column, row)
        for column in range(low[0], high[0] + 1)
        for row in range(low[1], high[1] + 1)
        if (column, row) not in taken
    ]
    edges = _label_edges(labels, plane)
    known = {label.code for label in labels} | repeated
    places = [project(plane.view, edges + np.array(cell)) for cell in free]
    return [label for label in labels_near(picture, places) if label.code not in known]


def _label_edges(labels: Sequence[RackLabel], plane: RackPlane) -> Float64Array:
    """The corners (4, 2) of a label around its centre, in the rack's units: the middle of all."""
    back = inverse(plane.view)
    boxes = np.array([project(back, label.corners) - project(back, label.centre[None]) for label in labels])
    low, high = np.median(boxes.min(axis=1), axis=0), np.median(boxes.max(axis=1), axis=0)
    return rectangle(low[0], low[1], high[0], high[1])


def _rows(labels: Sequence[RackLabel], plane: RackPlane) -> list[_Row]:
    """From top to bottom."""
    places = project(inverse(plane.view), np.array([label.centre for label in labels]))
    order = np.argsort(places[:, 1])
    breaks = np.flatnonzero(np.diff(places[order, 1]) > 0.3) + 1  # noqa: PLR2004 - rows are 1 apart, or nearly
    columns = None if plane.cells is None else (int(plane.cells[:, 0].min()), int(plane.cells[:, 0].max()))
    return [
        _row(places[part], [labels[index].code for index in part], columns)
        for part in (sorted(part.tolist(), key=lambda index: places[index, 0]) for part in np.split(order, breaks))
    ]


def _row(places: Float64Array, codes: Sequence[str], columns: tuple[int, int] | None) -> _Row:
    """A row, with the places between its labels where one is lacking; of a grid, also at its ends."""
    x, y = places[:, 0], float(places[:, 1].mean())
    pitch = float(np.median(np.diff(x))) if columns is None and len(x) > 1 else 1.0
    if columns is not None:
        known = dict(zip(np.round(x).astype(int).tolist(), zip(x, codes, strict=True), strict=True))
        whole = [known.get(column, (float(column), None)) for column in range(columns[0], columns[1] + 1)]
        return _Row(np.array([place for place, _ in whole]), y, tuple(code for _, code in whole))
    filled: list[tuple[float, str | None]] = [(float(x[0]), codes[0])]
    for place, code in zip(x[1:], codes[1:], strict=True):
        last = filled[-1][0]
        lacking = round((float(place) - last) / pitch) - 1 if pitch > 0 else 0
        if not 0 < lacking <= MAX_LACKING:
            lacking = 0
        filled += [(last + (number + 1) * (float(place) - last) / (lacking + 1), None) for number in range(lacking)]
        filled.append((float(place), code))
    return _Row(np.array([place for place, _ in filled]), y, tuple(code for _, code in filled))


def _proposals(
    rows: Sequence[_Row], edges: Float64Array, side: LabelSide, plane: RackPlane, size: tuple[int, int]
) -> list[Proposal]:
    heights = np.diff([row.y for row in rows])
    usual = float(np.median(heights)) if len(heights) else 1.0
    proposals = []
    for index, row in enumerate(rows):
        if side == "below":
            height = heights[index - 1] if index else usual
            top, bottom = row.y - height + edges[2, 1] + (EDGE + AIR) * height, row.y + edges[0, 1] - EDGE * height
        else:
            height = heights[index] if index < len(heights) else usual
            top, bottom = row.y + edges[2, 1] + EDGE * height, row.y + height + edges[0, 1] - (EDGE + AIR) * height
        for (left, right), code in zip(_sides(row.x), row.codes, strict=True):
            corners = _inside(project(plane.view, rectangle(left, top, right, bottom)), size)
            if corners is not None:
                proposals.append(Proposal(code, corners))
    return proposals


def _sides(x: Float64Array) -> list[tuple[float, float]]:
    """The left and right side of each opening of a row: half way to its neighbours, less the uprights."""
    pitch = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    sides = []
    for index, place in enumerate(x.tolist()):
        left = place - x[index - 1] if index else pitch
        right = x[index + 1] - place if index + 1 < len(x) else pitch
        low, high = _BETWEEN
        left, right = (gap if low * pitch <= gap <= high * pitch else pitch for gap in (left, right))
        sides.append((float(place - left / 2 + GAP * pitch / 2), float(place + right / 2 - GAP * pitch / 2)))
    return sides


def _inside(corners: Float64Array, size: tuple[int, int]) -> Float64Array | None:
    """Corners, kept within a picture; None where hardly anything of them lies in it."""
    kept = np.clip(corners, 0, size)
    return kept if is_convex(kept) and _area(kept) >= _MIN_INSIDE * _area(corners) else None


def _area(corners: Float64Array) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2

"""Laying out the slots of a camera: a regular grid, and what each slot can expect of its pixels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.config.base import as_array
from edge_agent.config.cameras import Corners
from kardus.contract.manifest import Manifest, PixelAccuracy
from kardus.inference.geometry import Float64Array, homography, project, rectangle

Named = tuple[str, Float64Array]
"""A location's code, and its corners (4, 2)."""
GOOD = 0.95
"""Share of the best accuracy, that of many pixels, which a slot should reach."""


def grid(outline: Corners, levels: int, positions: int, code: str, gap: float) -> list[Named]:
    """Slots of equal size within four corners, level 1 lowest, position 1 leftmost.

    Args:
        outline: corners of the whole, in any units.
        levels: how many rows.
        positions: how many slots a row.
        code: the locations' codes; `{level}` and `{position}` are replaced, with a format where one is given
            (`A-03-{level}-{position:02}`).
        gap: share of a cell that is left out between neighbours.

    Raises:
        ValueError: the code doesn't tell the slots apart, or isn't one.
    """
    view = homography(rectangle(0, 0, 1, 1), as_array(outline))
    slots = []
    for level in range(1, levels + 1):
        for position in range(1, positions + 1):
            left, top = (position - 1) / positions, 1 - level / levels
            inset = gap / 2 / np.array([positions, levels])
            cell = rectangle(left, top, left + 1 / positions, top + 1 / levels)
            cell = cell + np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * inset
            slots.append((_name(code, level, position), project(view, cell)))
    if len({name for name, _ in slots}) < len(slots):
        raise ValueError(f"'{code}' gives several slots one code: use {{level}} and {{position}} in it")
    return slots


@dataclass(frozen=True)
class ExpectedAccuracy:
    """What a slot can expect of its pixels."""

    location: str
    facing: int | None
    side_px: int
    """Its shorter side in the picture."""
    accuracy: float | None
    """How often the class is right with so many pixels, by the bundle's curve; None where it has none."""
    advice: str
    """What to do; empty where the pixels are enough."""


def expected_accuracy(
    curve: Sequence[PixelAccuracy], location: str, facing: int | None, corners: Float64Array
) -> ExpectedAccuracy:
    """What a slot with these corners (4, 2), in pixels, can expect."""
    side = side_px(corners)
    if not curve:
        return ExpectedAccuracy(location, facing, side, None, "")
    points = sorted((point.side_px, point.accuracy.value) for point in curve)
    accuracy = float(np.interp(side, [x for x, _ in points], [y for _, y in points]))
    best = max(value for _, value in points)
    needed = min(px for px, value in points if value >= GOOD * best)
    advice = f"{needed} px or more: move the camera closer, or use a longer lens" if side < needed else ""
    return ExpectedAccuracy(location, facing, side, accuracy, advice)


def curve_provenance(manifest: Manifest) -> str:
    """From which photos the curve is by which prospects are told, and which products aren't in it."""
    if not manifest.pixels:
        return ""
    training = manifest.training
    text = (
        f"the curve of {manifest.name} {manifest.version} is of {manifest.pixels[-1].accuracy.n} held-out photos of "
        f"its data set (SHA-256 {training.data_sha256[:12]}), made smaller, not of this camera's pictures"
    )
    changes = manifest.changes
    came = ", ".join(f"{name} (from {count} photos)" for name, count in changes.enrolled.items()) if changes else ""
    known = {info.name for info in manifest.classes}
    went = ", ".join(name for name in changes.graph_classes if name not in known) if changes else ""
    return (
        text
        + (f"; enrolled since, and not in it: {came}" if came else "")
        + (f"; retired since, and still in it: {went}" if went else "")
    )


def side_px(corners: Float64Array) -> int:
    """The shorter side of a slot in pixels, as the model's curve counts them."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return int(min((sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2))


def as_toml(slots: Sequence[Named]) -> str:
    """The `[[cameras.locations]]` tables of slots."""
    lines = []
    for name, corners in slots:
        places = ", ".join(f"[{x:.5g}, {y:.5g}]" for x, y in corners)
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        lines += ["[[cameras.locations]]", f'id = "{quoted}"', f"corners = [{places}]", ""]
    return "\n".join(lines)


def _name(code: str, level: int, position: int) -> str:
    if not re.search(r"\{(level|position)", code):
        raise ValueError(f"'{code}': use {{level}} and {{position}} in it, as in A-03-{{level}}-{{position:02}}")
    try:
        return code.format(level=level, position=position)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"'{code}': {error}: only {{level}} and {{position}} may stand in braces") from error

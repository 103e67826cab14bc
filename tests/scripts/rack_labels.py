"""How well locations are found by their labels: python -m tests.scripts.rack_labels [--racks N] [--out FILE.png].

Drawn racks of 15 locations in 3840 x 2160 pixels, each seen from elsewhere (perspective), blurred (0.4 to 1.2 pixels)
and noisy; a tenth of their labels is damaged in half of them. Counted: labels that were read right, that were misread,
that were said to be unread; and the overlap (intersection over union) of the proposed outlines with the drawn openings.
"""

import argparse
import time
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from edge_agent.commissioning.outlines import FoundLabels, propose
from kardus.codes.labels import find_labels
from kardus.inference.geometry import Float64Array
from simulator.printing import Symbology
from simulator.rack_labels import RackLabels, Side
from simulator.scene import Rack
from tests.pictures import seen_through
from train.evaluation.metrics import proportion

KINDS: tuple[tuple[str, Symbology, str], ...] = (
    ("Code 128", "code128", "{code}"),
    ("QR", "qr", "{code}"),
    ("Data Matrix", "datamatrix", "{code}"),
    ("GS1 Data Matrix (414, 254)", "datamatrix", "(414)8991234500010(254){code}"),
)
WIDTH, HEIGHT = 3840, 2160


@dataclass
class Tally:
    """What was found of some racks."""

    labels: int = 0
    right: int = 0
    damaged: int = 0
    damaged_read: int = 0
    misread: int = 0
    said_unread: int = 0
    overlaps: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def drawn_rack(
    kind: tuple[str, Symbology, str], module_px: float, seed: int, *, damaged: bool, side: Side = "below"
) -> tuple[Rack, Image.Image]:
    """A rack, and its picture."""
    rng = np.random.default_rng(seed)
    view = np.array([[0.03, 0.04], [0.97, 0.04], [0.97, 0.96], [0.03, 0.96]]) + rng.uniform(-0.025, 0.035, (4, 2))
    plain = Rack(aisle="ABC"[seed % 3], bay=seed % 90 + 1)
    codes = [slot.location for slot in plain.slots()]
    bad = frozenset(rng.choice(codes, size=2, replace=False).tolist()) if damaged else frozenset()
    labels = RackLabels(kind[1], module_px, side, kind[2], bad)
    corners = tuple((float(x), float(y)) for x, y in np.clip(view, 0.005, 0.995))
    rack = Rack(3, 5, WIDTH, HEIGHT, plain.aisle, plain.bay, labels, corners)
    picture = seen_through(rack.background(rng), rng, float(rng.uniform(0.4, 1.2)), 4.0)
    return rack, picture


def overlap(one: Float64Array, other: Float64Array) -> float:
    """Intersection over union of two outlines (4, 2), counted on a grid a quarter of a pixel's edge apart at most."""
    low = np.floor(np.minimum(one.min(axis=0), other.min(axis=0)))
    size = np.ceil(np.maximum(one.max(axis=0), other.max(axis=0)) - low).astype(int)
    masks = []
    for outline in (one, other):
        mask = Image.new("1", (int(size[0]), int(size[1])))
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline - low], fill=1)
        masks.append(np.asarray(mask))
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def count(tally: Tally, rack: Rack, found: FoundLabels) -> None:
    """Count what was found of a rack."""
    truth = {slot.location: slot.corners for slot in rack.slots()}
    damaged = rack.labels.damaged if rack.labels else frozenset()
    tally.labels += len(truth) - len(damaged)
    tally.damaged += len(damaged)
    for code, corners in found.named:
        overlaps = {location: overlap(corners, outline) for location, outline in truth.items()}
        place = max(overlaps, key=overlaps.__getitem__)
        if place != code:
            tally.misread += 1
            continue
        tally.right += code not in damaged
        tally.damaged_read += code in damaged
        tally.overlaps.append(overlaps[place])
    tally.said_unread += len(found.unread)
    for corners in found.unread:
        tally.overlaps.append(max(overlap(corners, outline) for outline in truth.values()))


def share(found: int, of: int) -> str:
    """A share with its 95 % Wilson interval."""
    metric = proportion("read", found, of)
    return f"{100 * metric.value:.1f} %, {100 * metric.low:.1f} to {100 * metric.high:.1f}"


def main() -> None:
    """Draw, find, count, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--racks", type=int, default=6)
    parser.add_argument("--modules", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0, 4.0])
    parser.add_argument("--side", choices=("below", "above"), default="below")
    given = parser.parse_args()
    print("label | module | read right | damaged: unread, read all the same | misread | overlap mean, least | s")
    for kind in KINDS:
        for module_px in given.modules:
            tally = Tally()
            for seed in range(given.racks):
                rack, picture = drawn_rack(kind, module_px, seed, damaged=seed % 2 == 1, side=given.side)
                began = time.perf_counter()
                found = propose(find_labels(picture), picture, given.side)
                tally.seconds.append(time.perf_counter() - began)
                count(tally, rack, found)
            iou = np.array(tally.overlaps or [0.0])
            print(
                f"{kind[0]} | {module_px:g} px | {tally.right} of {tally.labels} "
                f"({share(tally.right, tally.labels)}) | {tally.damaged - tally.damaged_read} of {tally.damaged}, "
                f"{tally.damaged_read} | {tally.misread} | {iou.mean():.3f}, {iou.min():.3f} | "
                f"{np.median(tally.seconds):.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

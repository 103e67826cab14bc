"""Whether pictures that are decoded in part are judged as whole ones: python -m tests.scripts.half_decisions --help.

Scripted shelves as the demo's (faults, another light, somebody who walks past, a nudge of the camera), 24 locations,
60 pictures each, are looked at side by side: as JPEG by three views, of whole pictures, by half as an agent does it,
while nothing changes and nothing is busy, and by half and whole in turn, which is harder than anything that happens;
with `--planes` by two, of the planes that a stream's decoder gives, and of FFmpeg's RGB of the same planes. Counted are
decisions of the gate that differ from those of the whole pictures, with 95 % intervals (Wilson), views that are judged
otherwise, and changes of stock that one of both saw and the other not within two looks.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import av
from av.video.reformatter import Colorspace
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.records import Activity, Frame
from edge_agent.seeing.camera_view import CameraView
from kardus.inference.part_decoded import GivenPicture, PartlyDecodedPicture
from kardus.inference.planes import BT709, Coding, PlanarPicture
from kardus.inference.preprocess import Pixels, decode_half, decode_picture
from kardus.support.proportions import wilson
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import demo_script
from simulator.shelf import Shelf

FRAMES, WITHIN = 60, 2
CROP_PX = 32
Seen = set[tuple[int, int]]
"""Slot and look of each change of stock."""
Ways = dict[str, tuple["Viewer", Callable[[int, bool], bool]]]
"""Views by how they look, and whether a look, by its number, is of a part: it is told whether all rested before."""


class Viewer:
    """One view with what it has decided."""

    def __init__(self, rack: Rack) -> None:
        """Nothing is seen yet."""
        places = [{"id": slot.location, "corners": slot.corners.tolist()} for slot in rack.slots()]
        content = {"name": "rack", "source": {"type": "file", "path": "x.jpg"}, "locations": places}
        self._view = CameraView(CameraSection.model_validate(content), ViewSection(), GateSection(), live=True)
        self.rests, self.in_part, self.changes = False, 0, Seen()

    def look(self, given: GivenPicture, number: int) -> tuple[str | None, Sequence[Activity]]:
        """What is wrong with the view, or what happens in each slot."""
        frame = Frame("rack", number, datetime.now(UTC), float(number), given)
        self.in_part += isinstance(given, PartlyDecodedPicture)
        view = self._view.check(frame)
        if view.problem or view.repeated:
            self.rests = False
            return view.problem or "repeated", ()
        activities = self._view.see(frame, view, [False] * len(self._view.slots), CROP_PX).activities
        self.rests = not any(activity.busy or activity.classify for activity in activities)
        self.changes |= {(slot, number) for slot, activity in enumerate(activities) if activity.changed}
        return None, activities


def ways_of(rack: Rack, *, planes: bool) -> Ways:
    """The views beside that of whole pictures."""
    if planes:
        return {"by planes": (Viewer(rack), lambda *_: True)}
    return {
        "by half at rest": (Viewer(rack), lambda _, rests: rests),
        "by half and whole in turn": (Viewer(rack), lambda number, _: number % 2 == 0),
    }


def main(arguments: list[str]) -> int:
    """Print a row for each way of decoding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shelves", type=int, default=20)
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs")
    parser.add_argument("--width", type=int, default=1920, help="of the pictures, which are 16 by 9")
    parser.add_argument("--planes", action="store_true")
    options = parser.parse_args(arguments)
    rack = Rack(4, 6, width_px=options.width, height_px=options.width * 9 // 16)
    differ: dict[str, Counter[str]] = {name: Counter() for name in ways_of(rack, planes=options.planes)}
    totals = Counter[str]()
    for seed in range(1, options.shelves + 1):
        whole, ways = Viewer(rack), ways_of(rack, planes=options.planes)
        for number, pixels in enumerate(_frames(rack, seed)):
            pair = _by_planes(pixels) if options.planes else _by_half(pixels, options.quality)
            problem, activities = whole.look(pair[False](), number)
            totals.update(pictures=1, decisions=len(activities))
            for name, (viewer, is_part) in ways.items():
                given = pair[is_part(number, viewer.rests)]()
                differ[name].update(_differences(problem, activities, *viewer.look(given, number)))
        totals.update(changes=len(whole.changes))
        for name, (viewer, _) in ways.items():
            differ[name].update(
                in_part=viewer.in_part,
                missed=_without_match(whole.changes, viewer.changes),
                besides=_without_match(viewer.changes, whole.changes),
            )
    _print(options, totals, differ)
    return 0


def _print(options: argparse.Namespace, totals: Counter[str], differ: dict[str, Counter[str]]) -> None:
    what = "planes" if options.planes else f"JPEG of quality {options.quality}"
    print(f"{options.shelves} shelves, {options.width} pixels wide, {what}: {dict(totals)}\n")
    print("| decoded | in part | decisions that differ | views | changes missed | changes besides |")
    print("|---|---|---|---|---|---|")
    for name, counts in differ.items():
        low, high = (100 * share for share in wilson(counts["decisions"], totals["decisions"]))
        share = f"{counts['decisions']} ({low:.3f} to {high:.3f} %)"
        rest = f"{counts['views']} | {counts['missed']} | {counts['besides']}"
        print(f"| {name} | {counts['in_part']} | {share} | {rest} |")


def _frames(rack: Rack, seed: int) -> Iterator[Pixels]:
    pictures, locations = DrawnPictures(), [slot.location for slot in rack.slots()]
    shelf = Shelf(rack, pictures, demo_script(locations, pictures.stock(), seed, FRAMES))
    return (shelf.frame(number) for number in range(FRAMES))


def _by_half(pixels: Pixels, quality: int) -> dict[bool, Callable[[], GivenPicture]]:
    """What gives a JPEG of a frame whole, and in part."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    data = buffer.getvalue()
    return {False: lambda: decode_picture(data, "a picture"), True: lambda: decode_half(data, "a picture")}


def _by_planes(pixels: Pixels) -> dict[bool, Callable[[], GivenPicture]]:
    """What gives FFmpeg's RGB of a frame's planes, and the planes."""
    coded = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
    planes, size = coded.to_ndarray().tobytes(), (coded.width, coded.height)
    back = coded.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
    coding = Coding(*BT709, is_full=False)
    return {False: lambda: Image.fromarray(back), True: lambda: PlanarPicture(planes, size, coding)}


def _differences(
    problem: str | None, activities: Sequence[Activity], other: str | None, others: Sequence[Activity]
) -> Counter[str]:
    if problem or other:
        return Counter(views=int(problem != other))
    return Counter(decisions=sum(one != two for one, two in zip(activities, others, strict=True)))


def _without_match(changes: Seen, others: Seen) -> int:
    """How many of the changes the other view saw neither at that look nor soon before or after."""
    return sum(
        not any((slot, near) in others for near in range(number - WITHIN, number + WITHIN + 1))
        for slot, number in changes
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

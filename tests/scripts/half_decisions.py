"""Whether JPEGs decoded by half are judged as whole ones: python -m tests.scripts.half_decisions [SHELVES] [QUALITY].

Scripted shelves as the demo's (faults, another light, somebody who walks past, a nudge of the camera), 24 locations,
60 pictures each as JPEG, are looked at side by side by three views: of whole pictures; by half as an agent does it,
while nothing changes and nothing is busy; and by half and whole in turn, which is harder than anything that happens.
Counted are decisions of the gate that differ from those of the whole pictures, with 95 % intervals (Wilson), views that
are judged otherwise, and changes of stock that one of both saw and the other not within two looks.
"""

import io
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.records import Activity, Frame
from edge_agent.seeing.camera_view import CameraView
from kardus.inference.half_decoded import HalfDecoded
from kardus.inference.preprocess import decode_half, decode_picture
from kardus.support.proportions import wilson
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import demo_script
from simulator.shelf import Shelf

RACK, FRAMES, WITHIN = Rack(4, 6), 60, 2
CROP_PX = 32
Seen = set[tuple[int, int]]
"""Slot and look of each change of stock."""


class Viewer:
    """One view with what it has decided."""

    def __init__(self, is_half: Callable[[int, bool], bool]) -> None:
        """`is_half` says whether a look, by its number, is at half: it is told whether all rested before."""
        places = [{"id": slot.location, "corners": slot.corners.tolist()} for slot in RACK.slots()]
        content = {"name": "rack", "source": {"type": "file", "path": "x.jpg"}, "locations": places}
        section = CameraSection.model_validate(content)
        self._view = CameraView(section, ViewSection(), GateSection(), live=True)
        self._is_half, self._rests = is_half, False
        self.changes: Seen = set()
        self.halves = 0

    def look(self, data: bytes, number: int) -> tuple[str | None, Sequence[Activity]]:
        """What is wrong with the view, or what happens in each slot."""
        decode = decode_half if self._is_half(number, self._rests) else decode_picture
        frame = Frame("rack", number, datetime.now(UTC), float(number), decode(data, "a picture"))
        self.halves += isinstance(frame.given, HalfDecoded)
        view = self._view.check(frame)
        if view.problem or view.repeated:
            self._rests = False
            return view.problem or "repeated", ()
        activities = self._view.see(frame, view, [False] * len(self._view.slots), CROP_PX).activities
        self._rests = not any(activity.busy or activity.classify for activity in activities)
        self.changes |= {(slot, number) for slot, activity in enumerate(activities) if activity.changed}
        return None, activities


def main(shelves: int, quality: int) -> None:
    """Print a row for each way of decoding."""
    differ: dict[str, Counter[str]] = {"by half at rest": Counter(), "by half and whole in turn": Counter()}
    decisions = pictures = changes = halves = 0
    for seed in range(1, shelves + 1):
        whole = Viewer(lambda *_: False)
        others = dict(
            zip(differ, (Viewer(lambda _, rests: rests), Viewer(lambda number, _: number % 2 == 0)), strict=True)
        )
        for number, data in enumerate(_jpegs(seed, quality)):
            problem, activities = whole.look(data, number)
            pictures, decisions = pictures + 1, decisions + len(activities)
            for name, viewer in others.items():
                differ[name].update(_differences(problem, activities, *viewer.look(data, number)))
        changes += len(whole.changes)
        halves += others["by half at rest"].halves
        for name, viewer in others.items():
            differ[name]["missed"] += _without_match(whole.changes, viewer.changes)
            differ[name]["besides"] += _without_match(viewer.changes, whole.changes)
    print(f"{shelves} shelves, quality {quality}: {pictures} pictures, {decisions} decisions, {changes} changes seen")
    print(f"by half at rest: {halves} of {pictures} pictures were decoded by half\n")
    print("| decoded | decisions that differ | views | changes missed | changes besides |\n|---|---|---|---|---|")
    for name, counts in differ.items():
        low, high = (100 * share for share in wilson(counts["decisions"], decisions))
        share = f"{counts['decisions']} ({low:.3f} to {high:.3f} %)"
        print(f"| {name} | {share} | {counts['views']} | {counts['missed']} | {counts['besides']} |")


def _jpegs(seed: int, quality: int) -> list[bytes]:
    pictures, locations = DrawnPictures(), [slot.location for slot in RACK.slots()]
    shelf = Shelf(RACK, pictures, demo_script(locations, pictures.stock(), seed, FRAMES))
    coded = []
    for number in range(FRAMES):
        buffer = io.BytesIO()
        Image.fromarray(shelf.frame(number)).save(buffer, "JPEG", quality=quality)
        coded.append(buffer.getvalue())
    return coded


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
    asked = [int(word) for word in sys.argv[1:]]
    main(*(asked + [20, 90][len(asked) :]))

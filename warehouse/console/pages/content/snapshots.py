"""Pictures of cameras as they are now, asked of their agents: one for everybody who looks, and not too often."""

import base64
import binascii
import io
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from PIL import Image

from kardus.contract.commands import Snapshot
from warehouse.console.agents.asking import AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

KEPT_S = 20.0
"""So long a camera isn't asked again, whether it has answered or not."""
MAX_KEPT = 64
"""So many pictures are kept."""
MARGIN = 0.06
"""Of a location's sides, which is shown around it."""
CROP_PX = 320
FacingCorners = list[list[list[float]]]
"""Of each facing of a location: four points in pixels of the picture."""


@dataclass(frozen=True)
class CameraPicture:
    """A picture of a camera, as its agent has answered."""

    captured: datetime
    jpeg: bytes
    size: tuple[int, int]
    corners: dict[str, FacingCorners]
    """By location; empty: an agent of an earlier version doesn't say."""


class NoPicture(Enum):
    """Why there is no picture of a camera."""

    NO_BROKER = N_("The server was started without a broker: agents can't be asked.")
    UNREACHED = N_("The broker can't be reached, so that the agent can't be asked: try again in a moment.")
    OFFLINE = N_("The agent is offline: there is no picture until it is back.")
    SILENT = N_("The agent hasn't answered: there is no picture now.")
    REFUSED = N_("The camera gives no picture now.")
    UNREADABLE = N_("The agent's answer can't be read: update it.")


class Snapshots:
    """The last pictures. For any thread: who comes while a camera is asked waits for that answer."""

    def __init__(self) -> None:
        """There is no picture yet."""
        self._kept: OrderedDict[tuple[str, str], tuple[float, CameraPicture | NoPicture]] = OrderedDict()
        self._asked: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, asking: AgentQuestions | None, agent: str, camera: str) -> CameraPicture | NoPicture:
        """A camera's picture, at most `KEPT_S` old by when it was asked for; or why there is none.

        That an agent is offline is known without asking: nobody waits for it, and nothing is kept of it.
        """
        key = (agent, camera)
        with self._lock:
            one = self._asked.setdefault(key, threading.Lock())
        try:
            with one:
                kept = self._kept.get(key)
                if kept is not None and time.monotonic() - kept[0] < KEPT_S:
                    return kept[1]
                found = _ask(asking, agent, camera)
                if found is not NoPicture.OFFLINE:
                    self._keep(key, found)
                return found
        finally:
            self._drop_lock(key)

    def _keep(self, key: tuple[str, str], found: CameraPicture | NoPicture) -> None:
        with self._lock:
            self._kept[key] = (time.monotonic(), found)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._asked.pop(self._kept.popitem(last=False)[0], None)

    def _drop_lock(self, key: tuple[str, str]) -> None:
        """Of a camera that nothing is kept of: anybody may invent names."""
        with self._lock:
            if key not in self._kept:
                self._asked.pop(key, None)


def location_crop(picture: CameraPicture, location: str) -> bytes | None:
    """A location in a camera's picture, upright, as JPEG; None: the picture doesn't say where it is."""
    points = [point for facing in picture.corners.get(location, []) for point in facing]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    wide, high = MARGIN * (max(xs) - min(xs)), MARGIN * (max(ys) - min(ys))
    box = (
        max(0, int(min(xs) - wide)),
        max(0, int(min(ys) - high)),
        min(picture.size[0], int(max(xs) + wide) + 1),
        min(picture.size[1], int(max(ys) + high) + 1),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    with Image.open(io.BytesIO(picture.jpeg)) as whole:
        crop = whole.convert("RGB").crop(box)
    crop.thumbnail((CROP_PX, CROP_PX))
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _ask(asking: AgentQuestions | None, agent: str, camera: str) -> CameraPicture | NoPicture:
    if asking is None:
        return NoPicture.NO_BROKER
    try:
        (answer,) = asking.ask([AgentQuestion(agent, "snapshot", Snapshot(camera=camera))])
    except ProblemError:
        return NoPicture.UNREACHED
    if isinstance(answer, Unanswered):
        return NoPicture.OFFLINE if answer is Unanswered.OFFLINE else NoPicture.SILENT
    return _read(answer.result) if answer.ok else NoPicture.REFUSED


def _read(result: dict[str, Any]) -> CameraPicture | NoPicture:
    """What an agent has answered."""
    try:
        jpeg = base64.b64decode(str(result["jpeg"]), validate=True)
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            size = picture.size
        corners = {
            str(location): [[[float(x), float(y)] for x, y in facing] for facing in facings]
            for location, facings in dict(result.get("corners", {})).items()
        }
        return CameraPicture(datetime.fromisoformat(str(result["captured"])), jpeg, size, corners)
    except (KeyError, ValueError, TypeError, OSError, binascii.Error, Image.DecompressionBombError):
        return NoPicture.UNREADABLE

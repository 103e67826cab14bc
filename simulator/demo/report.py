"""What the demo leaves behind: annotated frames, the messages, and a page that shows both."""

import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.geometry import Float64Array
from kardus.support.files import write_whole
from simulator.demo.judge import DemoOutcome
from simulator.shelf import Shelf
from warehouse.receiving.site_monitor import describe_seen

JPEG = b"\xff\xd8"
"""What every JPEG begins with, and no JSON."""
PICTURE_PX = (1280, 720)
PACKED = 3
"""How hard a picture's PNG is packed, of 9: a third of the usual 6's time, for an eighth more bytes."""
_COLOURS = {Verdict.MATCH: (46, 160, 67), Verdict.UNCERTAIN: (219, 171, 10)}
_ALERT = (218, 54, 51)
_OTHER = (140, 90, 200)
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["seen"] = describe_seen


@dataclass(frozen=True)
class ReportedFrame:
    """A frame with the verdicts that stood when it was taken."""

    file: str
    caption: str
    frame: int
    states: Mapping[str, LocationState]


class FramePainter:
    """Draws frames in a thread of its own while the shelf is still played: each takes half a second.

    Use it in a `with` statement; whoever leaves it early waits for none but the one that is being drawn.
    """

    def __init__(self, shelf: Shelf) -> None:
        """Nothing is drawn yet."""
        self._shelf = shelf
        self._corners = {slot.location: slot.corners for slot in shelf.rack.slots()}
        self._hand = ThreadPoolExecutor(1, "painter")
        self._begun: dict[str, Future[bytes]] = {}

    def __enter__(self) -> Self:
        """Nothing is opened."""
        return self

    def __exit__(self, *_: object) -> None:
        """Draw nothing more."""
        self._hand.shutdown(cancel_futures=True)

    def begin(self, frame: ReportedFrame) -> None:
        """Have one drawn."""
        self._begun[frame.file] = self._hand.submit(self._png, frame)

    def finished(self) -> dict[str, bytes]:
        """All that was begun, as PNG by their files' names."""
        return {name: drawn.result() for name, drawn in self._begun.items()}

    def _png(self, frame: ReportedFrame) -> bytes:
        png = io.BytesIO()
        picture = annotate(self._shelf.frame(frame.frame), self._corners, frame.states)
        picture.save(png, "PNG", compress_level=PACKED)
        return png.getvalue()


def annotate(
    pixels: NDArray[np.uint8], corners: Mapping[str, Float64Array], states: Mapping[str, LocationState]
) -> Image.Image:
    """Draw every location with its verdict over a frame of shape (height, width, 3)."""
    image = Image.fromarray(pixels).resize(PICTURE_PX, Image.Resampling.LANCZOS)
    scale = np.array(PICTURE_PX) / [pixels.shape[1], pixels.shape[0]]
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    for location, quad in corners.items():
        points = [(float(x), float(y)) for x, y in quad * scale]
        state = states.get(location)
        colour = _colour(state)
        draw.polygon(points, outline=colour, width=4)
        text = _label(location, state)
        x, y = points[3][0] + 4, points[3][1] - 40
        box = draw.multiline_textbbox((x, y), text, font=font)
        draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=colour)
        draw.multiline_text((x, y), text, font=font, fill=(255, 255, 255))
    return image


def write_messages(path: Path, messages: Sequence[tuple[str, bytes]]) -> None:
    """Write every message as one line of JSON: topic and payload; of a picture, its size."""
    lines = [json.dumps(_shown(topic, payload), ensure_ascii=False) + "\n" for topic, payload in messages]
    write_whole(path, "".join(lines).encode())


def _shown(topic: str, payload: bytes) -> dict[str, Any]:
    if payload.startswith(JPEG):
        return {"topic": topic, "jpeg_bytes": len(payload)}
    return {"topic": topic, "payload": json.loads(payload) if payload else None}


def write_report(  # noqa: PLR0917 - what the page shows
    path: Path,
    outcome: DemoOutcome,
    states: Mapping[str, LocationState],
    pictures: Sequence[ReportedFrame],
    facts: Mapping[str, str],
    shots: Sequence[str] = (),
) -> None:
    """Write the one-page report beside its pictures; `shots` are files of pictures of the page."""
    page = _TEMPLATES.get_template("report.html.jinja")
    text = page.render(outcome=outcome, states=states.values(), pictures=pictures, facts=facts, shots=shots)
    write_whole(path, text.encode())


def _colour(state: LocationState | None) -> tuple[int, int, int]:
    if state is None:
        return _OTHER
    return _ALERT if state.verdict in ALERTS else _COLOURS.get(state.verdict, _OTHER)


def _label(location: str, state: LocationState | None) -> str:
    if state is None:
        return location
    seen = describe_seen(state)
    return f"{location} {state.verdict}\n{seen}"

"""What the demo leaves behind: annotated frames, the messages, and a page that shows both."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.geometry import FloatArray
from kardus.support.files import write_whole
from simulator.demo.judge import Outcome
from warehouse.receiving.site_monitor import describe_seen

JPEG = b"\xff\xd8"
"""What every JPEG begins with, and no JSON."""
PICTURE_PX = (1280, 720)
_COLOURS = {Verdict.MATCH: (46, 160, 67), Verdict.UNCERTAIN: (219, 171, 10)}
_ALERT = (218, 54, 51)
_OTHER = (140, 90, 200)
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1f2328}
h1{margin-bottom:.2rem} .passed{color:#1a7f37} .failed{color:#cf222e}
table{border-collapse:collapse;width:100%;margin:1rem 0}
td,th{padding:.35rem .6rem;border-bottom:1px solid #d0d7de;text-align:left}
figure{margin:1.5rem 0} img{width:100%;border-radius:6px} figcaption{color:#59636e}
"""


@dataclass(frozen=True)
class Picture:
    """A frame with the verdicts that stood when it was taken."""

    file: str
    caption: str
    frame: int
    states: Mapping[str, LocationState]


def annotate(
    pixels: NDArray[np.uint8], corners: Mapping[str, FloatArray], states: Mapping[str, LocationState]
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


def write_report(
    path: Path,
    outcome: Outcome,
    states: Mapping[str, LocationState],
    pictures: Sequence[Picture],
    facts: Mapping[str, str],
) -> None:
    """Write the one-page report beside its pictures."""
    result = "passed" if outcome.passed else "failed"
    words = (
        "Every scripted fault was reported at its location, and nothing else was."
        if outcome.passed
        else "Not everything was reported as it should have been: see below."
    )
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Kardus demo: {result}</title>",
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>Kardus demo: <span class='{result}'>{result}</span></h1><p>{words}</p>",
        _table(("", ""), [(key, value) for key, value in facts.items()]),
        "<h2>Faults</h2>",
        _table(
            ("fault", "location", "verdict due", "product there", "reported"),
            [
                (f.kind.replace("_", " "), f.location, f.verdict, f.sku or "", "yes" if f.reported else "NO")
                for f in outcome.faults
            ],
        ),
    ]
    if outcome.false_alerts:
        rows = [(event.location, event.verdict.value, describe_seen(event)) for event in outcome.false_alerts]
        parts += ["<h2>False alerts</h2>", _table(("location", "verdict", "seen"), rows)]
    if outcome.wrong_states:
        parts.append(f"<p class='failed'>Wrong at the end: {html.escape(', '.join(outcome.wrong_states))}</p>")
    parts += ["<h2>What the camera saw</h2>", *map(_figure, pictures), "<h2>Every location at the end</h2>"]
    parts.append(
        _table(("location", "expected", "seen", "confidence", "verdict"), [_state_row(s) for s in states.values()])
    )
    write_whole(path, ("\n".join(parts) + "</html>\n").encode())


def _figure(picture: Picture) -> str:
    caption = html.escape(picture.caption)
    return f"<figure><img src='{picture.file}' alt='{caption}'><figcaption>{caption}</figcaption></figure>"


def _state_row(state: LocationState) -> tuple[str, ...]:
    expected = state.expected.sku or "(empty)" if state.expected else "?"
    confidence = f"{state.seen.confidence:.2f}" if state.seen else ""
    return state.location, expected, describe_seen(state), confidence, state.verdict.value


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header) if any(header) else ""
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _colour(state: LocationState | None) -> tuple[int, int, int]:
    if state is None:
        return _OTHER
    return _ALERT if state.verdict in ALERTS else _COLOURS.get(state.verdict, _OTHER)


def _label(location: str, state: LocationState | None) -> str:
    if state is None:
        return location
    seen = describe_seen(state)
    return f"{location} {state.verdict}\n{seen}"

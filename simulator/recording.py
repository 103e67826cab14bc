"""Writes a played shelf to a folder, with the truth beside it."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from kardus.contract.messages import Expected
from kardus.contract.recording import ENTRIES, HEADER, RecordingEntry, RecordingHeader
from kardus.support.files import appearing
from kardus.support.tabular.tables import EMPTY
from simulator.scene import Rack
from simulator.script import ChangeKind
from simulator.shelf import Shelf

CAMERA = "rack"
START = datetime(2026, 1, 1, 6, tzinfo=UTC)
"""When a played shelf begins, so that it is the same each time."""


def write_shelf(folder: Path, shelf: Shelf, interval_s: float = 1.0) -> None:
    """Write every frame, the right verdicts, the expected stock and the camera's configuration.

    It is a recording too, of a frame every `interval_s`, that `kardus-agent replay` plays.
    Where the view is spoiled, the frame's line says by what (`view`); a dead camera's frames are missing.

    The folder appears only when it is complete.

    Raises:
        FileExistsError: the folder is there already.
    """
    with appearing(folder) as building:
        _write_frames(building, shelf)
        _write_entries(building, shelf, interval_s)
        with (building / "expected.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("location", "sku"))
            writer.writerows((location, sku or EMPTY) for location, sku in shelf.script.expected.items())
        camera = camera_toml(shelf.rack, 'type = "folder", path = "frames"')
        (building / "camera.toml").write_text(camera, encoding="utf-8")


def _write_frames(folder: Path, shelf: Shelf) -> None:
    (folder / "frames").mkdir()
    skus = shelf.skus()
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for number in range(shelf.script.frames):
            trouble = shelf.script.spoiled(number)
            if trouble is None or trouble.kind is not ChangeKind.DEAD:
                Image.fromarray(shelf.frame(number)).save(folder / "frames" / f"{number:05d}.jpg", quality=90)
            line = {"frame": number, "verdicts": shelf.script.truth(number, skus)}
            truth.write(json.dumps(line if trouble is None else line | {"view": trouble.kind}) + "\n")


def _write_entries(folder: Path, shelf: Shelf, interval_s: float) -> None:
    header = RecordingHeader(run="simulated", cameras={CAMERA: False})
    (folder / HEADER).write_text(header.model_dump_json() + "\n", encoding="utf-8")
    entries = [
        RecordingEntry(at=START, at_s=0, location=location, expected=Expected(revision=1, sku=sku))
        for location, sku in shelf.script.expected.items()
    ]
    for number in range(shelf.script.frames):
        at_s = number * interval_s
        at = START + timedelta(seconds=at_s)
        entries.append(RecordingEntry(at=at, at_s=at_s, camera=CAMERA, picture=f"frames/{number:05d}.jpg"))
    lines = [entry.model_dump_json(exclude_none=True) + "\n" for entry in entries]
    (folder / ENTRIES).write_text("".join(lines), encoding="utf-8")


def camera_toml(rack: Rack, source: str, name: str = CAMERA, interval_s: float = 0.0) -> str:
    """The `[[cameras]]` part of a configuration for a rack; `source` is the inside of its `source` table."""
    lines = ["[[cameras]]", f'name = "{name}"', f"source = {{ {source} }}", f"interval_s = {interval_s}", ""]
    for slot in rack.slots():
        corners = ", ".join(f"[{x:.1f}, {y:.1f}]" for x, y in slot.corners)
        lines += ["[[cameras.locations]]", f'id = "{slot.location}"', f"corners = [{corners}]", ""]
    return "\n".join(lines)

"""Writes a played shelf to a folder, with the truth beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from PIL import Image

from edge_agent.files import appearing
from edge_agent.simulation.scene import Rack
from edge_agent.simulation.script import Kind
from edge_agent.simulation.shelf import Shelf


def write_shelf(folder: Path, shelf: Shelf) -> None:
    """Write every frame, the right verdicts, the expected stock and the camera's configuration.

    Where the view is spoiled, the frame's line says by what (`view`); a dead camera's frames are missing.

    The folder appears only when it is complete.

    Raises:
        FileExistsError: the folder is there already.
    """
    with appearing(folder) as building:
        _write_frames(building, shelf)
        with (building / "expected.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("location", "sku"))
            writer.writerows((location, sku or "") for location, sku in shelf.script.expected.items())
        camera = camera_toml(shelf.rack, 'type = "folder", path = "frames"')
        (building / "camera.toml").write_text(camera, encoding="utf-8")


def _write_frames(folder: Path, shelf: Shelf) -> None:
    (folder / "frames").mkdir()
    skus = shelf.skus()
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for number in range(shelf.script.frames):
            trouble = shelf.script.spoiled(number)
            if trouble is None or trouble.kind is not Kind.DEAD:
                Image.fromarray(shelf.frame(number)).save(folder / "frames" / f"{number:05d}.jpg", quality=90)
            line = {"frame": number, "verdicts": shelf.script.truth(number, skus)}
            truth.write(json.dumps(line if trouble is None else line | {"view": trouble.kind}) + "\n")


def camera_toml(rack: Rack, source: str, name: str = "rack", interval_s: float = 0.0) -> str:
    """The `[[cameras]]` part of a configuration for a rack; `source` is the inside of its `source` table."""
    lines = ["[[cameras]]", f'name = "{name}"', f"source = {{ {source} }}", f"interval_s = {interval_s}", ""]
    for slot in rack.slots():
        corners = ", ".join(f"[{x:.1f}, {y:.1f}]" for x, y in slot.corners)
        lines += ["[[cameras.locations]]", f'id = "{slot.location}"', f"corners = [{corners}]", ""]
    return "\n".join(lines)

"""Writes a played shelf to a folder, with the truth beside it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from PIL import Image

from edge_agent.simulation.scene import Rack
from edge_agent.simulation.shelf import Shelf


def write_shelf(folder: Path, shelf: Shelf) -> None:
    """Write every frame, the right verdicts, the expected stock and the camera's configuration.

    The folder appears only when it is complete.
    """
    building = folder.with_name(folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)  # what an interrupted run left
    (building / "frames").mkdir(parents=True, exist_ok=True)
    skus = shelf.skus()
    with (building / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for number in range(shelf.script.frames):
            Image.fromarray(shelf.frame(number)).save(building / "frames" / f"{number:05d}.jpg", quality=90)
            truth.write(json.dumps({"frame": number, "verdicts": shelf.script.truth(number, skus)}) + "\n")
    with (building / "expected.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("location", "sku"))
        writer.writerows((location, sku or "") for location, sku in shelf.script.expected.items())
    (building / "camera.toml").write_text(camera_toml(shelf.rack, 'type = "folder", path = "frames"'), encoding="utf-8")
    building.replace(folder)


def camera_toml(rack: Rack, source: str, name: str = "rack", interval_s: float = 0.0) -> str:
    """The `[[cameras]]` part of a configuration for a rack; `source` is the inside of its `source` table."""
    lines = ["[[cameras]]", f'name = "{name}"', f"source = {{ {source} }}", f"interval_s = {interval_s}", ""]
    for slot in rack.slots():
        corners = ", ".join(f"[{x:.1f}, {y:.1f}]" for x, y in slot.corners)
        lines += ["[[cameras.locations]]", f'id = "{slot.location}"', f"corners = [{corners}]", ""]
    return "\n".join(lines)

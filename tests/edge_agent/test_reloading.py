"""A configuration that is read again, or a layout that is saved, while the agent is at work: nothing of it ends."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.agent import Agent
from edge_agent.config import load_config
from edge_agent.control.commands import CommandRequest, carry_out
from edge_agent.records import Frame
from kardus.contract.messages import Expected
from kardus.inference.preprocess import Pixels
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.script import Change, ChangeKind
from tests.agents import skus, write_config
from tests.edge_agent.racks import LOCATIONS, RACK, STOCK, nudged, shelf, still, write_still

KEY = DEMO_KEY.read_text().strip()
TABLE = "[[cameras.locations]]"


class Box:
    """An agent that isn't started: its pictures are handed to it here."""

    def __init__(self, folder: Path, *, camera: str = "", laid_out: bool = True) -> None:
        """`camera` is more of its table; it has no locations yet unless it is `laid_out`."""
        source = f'type = "file", path = "{write_still(folder / "rack.png")}"'
        self.path = write_config(folder, 1, DEMO_BUNDLE, KEY, source)
        head, *tables = self.path.read_text().split(TABLE)
        self.write(head + camera, tables if laid_out else [])
        self.agent = Agent(load_config(self.path), self.path)
        self._number = 0

    def write(self, head: str, tables: list[str]) -> None:
        """Another configuration: all that comes before the locations, and theirs."""
        self.path.write_text(head + "".join(f"{TABLE}{table}" for table in tables))

    def parts(self) -> tuple[str, list[str]]:
        """The configuration, so divided."""
        head, *tables = self.path.read_text().split(TABLE)
        return head, tables

    def look(self, pixels: Pixels, times: int = 4, camera: str = "rack") -> None:
        """Pictures of a camera."""
        for _ in range(times):
            self._number += 1
            given = Image.fromarray(pixels)
            self.agent._process([Frame(camera, self._number, datetime.now(UTC), 1000.0 + self._number, given)])
            self.agent._pipeline.tick()

    def lay_out(self, locations: int, based_on: int, **more: Any) -> tuple[bool, str]:
        """Save a layout of so many locations, as the server's page does; whether it was taken, and why not."""
        placed = [
            {"id": slot.location, "facings": [[[float(x), float(y)] for x, y in slot.corners]]}
            for slot in RACK.slots()[:locations]
        ]
        layout = {"picture_size": [RACK.width_px, RACK.height_px], "locations": placed}
        words = {"camera": "rack", "based_on": based_on, "by": "Wati", "layout": layout} | more
        request = CommandRequest("set-layout", json.dumps(words).encode())
        reply = carry_out(request, self.agent._dispatcher._handlers).reply
        return reply.ok, reply.error

    @property
    def status(self) -> str | None:
        """Of its camera."""
        return self.agent._cameras["rack"].status

    def end(self) -> None:
        """As a restart begins."""
        self.agent._outbox.close()
        self.agent._folder.leave()
        self.agent._chores.stop()
        self.agent._recording.stop()


@pytest.fixture
def boxes() -> Iterator[list[Box]]:
    """Ended after the test."""
    made: list[Box] = []
    yield made
    for box in made:
        box.end()


def test_a_location_that_goes_while_its_view_is_doubted_is_forgotten(tmp_path: Path, boxes: list[Box]) -> None:
    boxes.append(box := Box(tmp_path))
    for location, name in STOCK.items():
        told = Expected(revision=1, sku=skus()[name] if name else None)
        box.agent._expected.apply(location, told.model_dump_json().encode())
    box.look(still())
    box.look(shelf(*[Change(0, ChangeKind.REMOVE, each) for each in LOCATIONS[4:14]]).frame(8), 8)
    held = [*box.agent._pipeline._doubts._of("rack").held]
    assert len(held) > 4
    head, tables = box.parts()
    box.write(head, [table for table in tables if f'"{held[0]}"' not in table])
    assert box.agent._reload() == len(LOCATIONS) - 1
    assert held[0] not in box.agent._pipeline._doubts._of("rack").held
    box.agent._pipeline._doubts._of("rack").voted_s = time.monotonic() - 60
    box.agent._pipeline.tick()


def test_a_camera_that_a_reload_adds_wrongly_is_lost_alone(tmp_path: Path, boxes: list[Box]) -> None:
    boxes.append(box := Box(tmp_path))
    box.look(still())
    head, tables = box.parts()
    new = f"""[[cameras]]
name = "new"
source = {{ type = "file", path = "{tmp_path / "rack.png"}" }}
{TABLE}
id = "N-1"
corners = [[9000, 400], [9100, 400], [9100, 500], [9000, 500]]
"""
    box.write(head, [*tables[:-1], f"{tables[-1]}\n{new}"])
    assert box.agent._reload() == len(LOCATIONS) + 1
    box.look(still(), camera="new")
    box.look(still(1))
    lost = box.agent._cameras["new"]
    assert (lost.status, box.status) == ("lost", "ok")
    assert "location 'N-1': corner (9000, 400) lies outside" in lost.reason


def test_a_commissioning_picture_that_is_taken_again_is_read_at_a_reload(tmp_path: Path, boxes: list[Box]) -> None:
    reference = write_still(tmp_path / "reference.png")
    boxes.append(box := Box(tmp_path, camera='reference = "reference.png"\n'))
    turned = nudged(still(), 90, 40)
    box.look(still())
    box.look(turned)
    assert box.status == "moved"
    assert box.agent._reload() == len(LOCATIONS), "nothing has changed"
    box.look(turned)
    assert box.status == "moved"
    Image.fromarray(turned).save(reference, compress_level=1)
    assert box.agent._reload() == len(LOCATIONS)
    box.look(turned)
    assert box.status == "ok"


def test_a_picture_in_the_dark_is_no_commissioning_picture(tmp_path: Path, boxes: list[Box]) -> None:
    boxes.append(box := Box(tmp_path, camera='layout = "rack.json"\n', laid_out=False))
    box.look((still() * 0.03).astype(np.uint8))
    taken, why = box.lay_out(15, 0)
    assert not taken
    assert re.search(r"camera 'rack': its picture can't be the commissioning picture \(mean brightness \d+ of 255", why)
    assert not [*(tmp_path / "data").glob("layouts/*")]
    box.look(still())
    assert box.lay_out(15, 0) == (True, "")


def test_a_layout_that_is_kept_while_the_outbox_is_full_holds_whole(
    tmp_path: Path, boxes: list[Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.append(box := Box(tmp_path, camera='layout = "rack.json"\n', laid_out=False))
    box.look(still())
    assert box.lay_out(10, 0) == (True, "")
    box.look(still(), 6)
    with monkeypatch.context() as patch:  # as if less were free than the outbox spares, and enough for a layout
        patch.setattr("edge_agent.reporting.outbox.space.RESERVE_BYTES", 10**15)
        assert box.lay_out(14, 1) == (True, "")
    agent = box.agent
    assert agent._storage.reason
    assert len(agent._cameras.locations) == 14
    assert LOCATIONS[13] in "".join(topic for topic, _ in agent._session._subscriptions)
    agent._storage.tick()
    assert not agent._storage.reason
    box.end()
    boxes[:] = [again := Box.__new__(Box)]
    again.agent = Agent(load_config(box.path), box.path)
    assert len(again.agent._cameras.locations) == 14

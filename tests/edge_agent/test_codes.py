"""What printed codes say reaches the verdicts: labels of another rack, and cartons that bear their GTIN."""

import queue
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.cameras import Cameras
from edge_agent.codes.code_watch import CodeWatch
from edge_agent.codes.rack_watch import CORRECTED_S, FIRST_S, REREAD_S
from edge_agent.config import load_config
from edge_agent.config.sections import CodesSection
from edge_agent.control.expected import ExpectedStore
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.pipeline import Pipeline
from edge_agent.records import NO_PICTURES, EventPictures, Finding, Frame
from edge_agent.replay.player import NoOutbox
from kardus.contract.manifest import ClassInfo, PixelAccuracy
from kardus.contract.messages import Expected, Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, SkuScore
from kardus.inference.geometry import homography, project, rectangle
from kardus.inference.preprocess import Pixels
from kardus.support.clock import SYSTEM_CLOCK
from simulator.catalogue import products
from simulator.drawing import draw_carton
from simulator.printing import print_code, stick
from simulator.rack_labels import RackLabels
from simulator.recording import camera_toml
from simulator.scene import Rack
from tests.patience import PATIENCE_S

GTIN_A, GTIN_B = "4006381333931", "9506000134352"
CLASSES = (
    ClassInfo(name="a", category="Tea", sku="a", gtin=GTIN_A),
    ClassInfo(name="b", category="Tea", sku="b", gtin=GTIN_B),
)
RACK = Rack(1, 2, 1280, 720, labels=RackLabels("qr", 3.0))
OTHER = Rack(1, 2, 1280, 720, bay=2, labels=RackLabels("qr", 3.0))
FIRST, SECOND = (slot.location for slot in RACK.slots())
BEGAN = datetime(2026, 3, 2, 7, tzinfo=UTC)


class Model50:
    """Says of every crop that it may be either product, or what a test sets."""

    size_px = 32
    classes = CLASSES
    pixels: tuple[PixelAccuracy, ...] = ()
    likelihood_of_a = 0.5

    def classify(self, crops: Pixels) -> list[Classification]:
        a = self.likelihood_of_a
        scores = sorted((SkuScore("a", a), SkuScore("b", 1 - a)), key=lambda score: -score.likelihood)
        top = scores[0]
        seen = Classification(top.sku, top.sku, "Tea", top.likelihood, 1.0, known=True, skus=tuple(scores))
        return [seen] * len(crops)


class Box:
    """One camera, and the thread that reads codes."""

    def __init__(self, folder: Path, rules: CodesSection) -> None:
        path = folder / "agent.toml"
        head = f'[agent]\nsite = "hall"\nname = "box"\ndata_dir = "{folder / "data"}"\n[harvest]\nsample = true\n'
        path.write_text(head + camera_toml(RACK, 'type = "file", path = "rack.png"'))
        config = load_config(path)
        store = ExpectedStore(folder / "expected.sqlite", frozenset((FIRST, SECOND)))
        for location in (FIRST, SECOND):
            store.apply(location, Expected(revision=1, sku="a").model_dump_json().encode())
        self.read: queue.Queue[Any] = queue.Queue()
        self.codes, self.metrics, self.model = CodeWatch(rules, self.read.put), Metrics(), Model50()
        self.cameras = Cameras(config, lambda _: None)
        self.found: dict[str, Finding] = {}
        writer = MessageWriter(Topics("hall", "box"), Model(name="m", version="1"), 300)
        self.pipeline = Pipeline(
            self.cameras,
            self.model,
            store,
            Recorder(NoOutbox(), writer, 300, self._note),
            metrics=self.metrics,
            grace_s=0.0,
            clock=SYSTEM_CLOCK,
            is_late=lambda: False,
            codes=self.codes,
            doubt_s=0,
        )
        self._number = 0
        self.codes.start()

    def look(self, picture: Image.Image, at_s: float, times: int = 1) -> None:
        """So many pictures, a tenth of a second apart."""
        for number in range(times):
            self._number += 1
            noisy = np.asarray(picture).copy()
            noisy[0, 0] = self._number % 250  # no live camera gives one picture twice
            captured = BEGAN + timedelta(seconds=at_s + number / 10)
            frame = Frame("rack", self._number, captured, at_s + number / 10, Image.fromarray(noisy))
            self.pipeline.process([frame])

    def hear(self, count: int = 1) -> None:
        """What was read, as soon as it comes."""
        for _ in range(count):
            self.pipeline.take_codes_read(self.read.get(timeout=PATIENCE_S))

    def _note(self, _: str, finding: Finding) -> EventPictures:
        self.found[finding.location] = finding
        return NO_PICTURES


@pytest.fixture
def boxes(tmp_path: Path) -> Any:
    """Makes a box, and ends it."""
    made: list[Box] = []

    def make(**rules: Any) -> Box:
        made.append(Box(tmp_path, CodesSection(**rules)))
        return made[-1]

    yield make
    for box in made:
        box.codes.stop()


def _picture(rack: Rack, gtin: str = "") -> Image.Image:
    """A rack with a carton in each opening, both with the same code."""
    image = rack.background(np.random.default_rng(1))
    for slot in rack.slots():
        carton = draw_carton(products()[0]).resize((480, 480))
        if gtin:
            modules = print_code(gtin, "ean13").modules
            stick(carton, modules, rectangle(60, 300, 60 + 2 * modules.shape[1], 300 + 2 * modules.shape[0]))
        width = float(np.linalg.norm(slot.corners[1] - slot.corners[0]))
        side = 0.9 * width
        left, bottom = slot.corners[3] + [0.05 * width, -4]
        back = homography(rectangle(left, bottom - side, left + side, bottom), rectangle(0, 0, 480, 480))
        assert np.isfinite(project(back, np.array([[left, bottom]]))).all()
        image.paste(carton.resize((int(side), int(side))), (int(left), int(bottom - side)))
    return image


Make = Callable[..., Box]


def test_labels_of_another_rack_make_the_view_stale_until_it_is_turned_back(boxes: Make) -> None:
    box, own, other = boxes(cartons=False), _picture(RACK), _picture(OTHER)
    box.model.likelihood_of_a = 0.99
    box.look(own, 0.0, 8)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.MATCH}
    for at_s in (FIRST_S + 1, FIRST_S + 2 + REREAD_S):
        assert {finding.verdict for finding in box.found.values()} == {Verdict.MATCH}
        box.look(other, at_s)
        box.hear()
    box.look(other, FIRST_S + 20)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.STALE}
    assert "A-02-1-01" in box.found[FIRST].reason
    health = box.cameras["rack"].health("other rack")
    assert health.reason.startswith("other rack: ")
    assert box.metrics.rack_checks.labels("rack", "other")._value.get() == 2
    box.look(own, FIRST_S + 30 + CORRECTED_S)
    box.hear()
    box.look(own, FIRST_S + 40 + CORRECTED_S, 10)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.MATCH}


def test_a_code_settles_what_the_model_doubts(boxes: Make) -> None:
    box = boxes(rack_check_s=0)
    box.look(_picture(RACK, GTIN_A), 0.0, 12)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.UNCERTAIN}
    box.hear(2)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.MATCH}
    assert GTIN_A in box.found[FIRST].reason
    assert box.read.empty()  # each was read once


def test_a_code_contradicts_what_the_model_is_sure_of(boxes: Make) -> None:
    box = boxes(rack_check_s=0)
    box.model.likelihood_of_a = 0.99
    box.look(_picture(RACK, GTIN_B), 0.0, 8)
    box.hear(2)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.UNCERTAIN}
    assert "says a" in box.found[FIRST].reason
    assert "says b" in box.found[FIRST].reason


def test_what_was_read_of_a_carton_that_is_gone_says_nothing(boxes: Make) -> None:
    box = boxes(rack_check_s=0)
    box.look(_picture(RACK, GTIN_A), 0.0, 8)
    late = [box.read.get(timeout=PATIENCE_S) for _ in range(2)]
    box.cameras["rack"].votes.clear()
    box.cameras["rack"].votes.vote_anew()
    box.look(_picture(RACK), 2.0, 8)
    for read in late:
        box.pipeline.take_codes_read(read)
    assert {finding.verdict for finding in box.found.values()} == {Verdict.UNCERTAIN}


@pytest.mark.parametrize("rules", [{"cartons": False}, {"least_side_px": 2000}])
def test_switched_off_or_too_small_nothing_is_read(boxes: Make, rules: dict[str, Any]) -> None:
    box = boxes(rack_check_s=0, **rules)
    box.look(_picture(RACK, GTIN_A), 0.0, 8)
    box.codes.stop()
    assert box.read.empty()


def test_what_was_read_for_a_layout_that_holds_no_more_is_told_of_no_other_location(
    tmp_path: Path,
) -> None:
    """Sixty readings may wait while a layout is saved once more."""
    box = Box(tmp_path, CodesSection(rack_check_s=0))
    try:
        both, plain = _picture(RACK, GTIN_B), _picture(RACK)
        half = RACK.width_px // 2
        left = both.copy()
        left.paste(plain.crop((half, 0, RACK.width_px, RACK.height_px)), (half, 0))
        box.look(left, 0.0, 8)
        late = [box.read.get(timeout=PATIENCE_S) for _ in range(2)]
        assert any(one.witness and one.witness.sku == "b" for one in late)
        path = tmp_path / "agent.toml"
        head, *tables = path.read_text().split("[[cameras.locations]]")
        path.write_text(head + "".join(f"[[cameras.locations]]{table.rstrip()}\n" for table in reversed(tables)))
        prepared = box.cameras.prepare(config := load_config(path))
        box.cameras.apply(prepared)
        box.pipeline.apply_settings(config)
        box.found.clear()
        box.look(left, 2.0, 1)
        for one in late:
            box.pipeline.take_codes_read(one)
        box.look(left, 3.0, 12)
        assert all(finding.verdict is not Verdict.MISMATCH for finding in box.found.values())
    finally:
        box.codes.stop()

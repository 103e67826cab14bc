"""What pictures come to: only new ones are votes, and their size is part of commissioning."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from edge_agent.cameras import Cameras
from edge_agent.config import load_config
from edge_agent.control.expected import ExpectedStore
from edge_agent.deciding import recorder
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.models.load import load_model
from edge_agent.pipeline import Pipeline
from edge_agent.records import NO_PICTURES, EventPictures, Finding, Frame
from edge_agent.replay.player import NoOutbox
from edge_agent.seeing import camera_view
from kardus.contract.messages import Expected, Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.inference import classifier
from kardus.inference.half_decoded import HalfSizePicture
from kardus.inference.part_decoded import PartlyDecodedPicture
from kardus.inference.preprocess import Pixels
from kardus.support.clock import SYSTEM_CLOCK
from kardus.support.errors import DataError
from kardus.support.vitals import Heartbeat, Vitals
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind
from tests.agents import skus, write_config
from tests.edge_agent.racks import LOCATIONS, RACK, STOCK, coded_frame, frame, planar_frame, shelf, still

FIRST = LOCATIONS[0]
KEY = DEMO_KEY.read_text().strip()


class _NotedHeartbeat(Heartbeat):
    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def beat(self, doing: str = "") -> None:
        super().beat(doing)
        self.noted.append(doing)


class Camera:
    """The pipeline, with one simulated camera whose pictures are handed to it here."""

    def __init__(self, folder: Path, *, live: bool = False, camera: str = "", rack: Rack = RACK) -> None:
        """Expect what stands there; `camera` is more of its table, `rack` says where it was laid out."""
        source = f'type = "simulated", live = {str(live).lower()}'
        path = write_config(folder, 1, DEMO_BUNDLE, KEY, source)
        head = path.read_text().partition("[[cameras]]")[0]
        table = camera_toml(rack, source).replace("interval_s = 0.0", f"interval_s = 0.0\n{camera}", 1)
        path.write_text(head + table)
        config = load_config(path)
        store = ExpectedStore(folder / "expected.sqlite", frozenset(LOCATIONS))
        for location, name in STOCK.items():
            expected = Expected(revision=1, sku=skus()[name] if name else None)
            store.apply(location, expected.model_dump_json().encode())
        assert config.model
        _, classifier = load_model(config.model)
        cameras = Cameras(config, lambda _: None)
        writer = MessageWriter(Topics("hall", "box"), Model(name="m", version="1"), 300)
        self._found: list[Finding] = []
        self.heartbeat = _NotedHeartbeat()
        self._pipeline = Pipeline(
            cameras,
            classifier,
            store,
            Recorder(NoOutbox(), writer, 300, self._note),
            metrics=Metrics(),
            grace_s=0.0,
            clock=SYSTEM_CLOCK,
            is_late=lambda: False,
            heartbeat=self.heartbeat,
        )
        self._number = 0

    def verdicts(self, pixels: Pixels) -> dict[str, Verdict]:
        """The changes of verdict that a picture comes to."""
        return self.verdicts_of(frame(pixels))

    def verdicts_of(self, given: Frame) -> dict[str, Verdict]:
        """As `verdicts`, of a picture as a source gives it."""
        self._number += 1
        self._found.clear()
        self._pipeline.process([replace(given, number=self._number, at_s=self._number / 10)])
        return {finding.location: finding.verdict for finding in self._found}

    def wait(self, seconds: float) -> None:
        """The next picture comes so much later."""
        self._number += round(seconds * 10)

    @property
    def status(self) -> str | None:
        """Its health, as it is told."""
        return self._pipeline._cameras["rack"].status

    @property
    def attention(self) -> str:
        """What the camera is told of its last picture."""
        return self._pipeline._cameras["rack"].attention

    @property
    def reasons(self) -> set[str]:
        """Why the last picture's verdicts are what they are."""
        return {finding.reason for finding in self._found}

    def _note(self, _: str, finding: Finding) -> EventPictures:
        self._found.append(finding)
        return NO_PICTURES


@pytest.mark.parametrize("live", [True, False])
def test_the_last_picture_once_more_is_no_vote_of_a_live_camera(tmp_path: Path, *, live: bool) -> None:
    camera = Camera(tmp_path, live=live)
    for number in range(3):
        settled = camera.verdicts(still(number))
    assert settled == dict.fromkeys(LOCATIONS, Verdict.MATCH)
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))
    camera.verdicts(gone.frame(0))
    camera.verdicts(gone.frame(1))
    again = [camera.verdicts(gone.frame(1)) for _ in range(5)]
    told = any(FIRST in verdicts for verdicts in again)
    assert told is not live
    if live:
        new = [camera.verdicts(gone.frame(number)) for number in (2, 3)]
        assert new[-1] == {FIRST: Verdict.EMPTY}


def test_at_rest_half_of_a_picture_is_enough_and_a_slot_that_changes_is_cut_out_of_the_whole(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    for number in range(3):
        camera.verdicts(still(number))
    at_rest = [coded_frame(still(number)) for number in (3, 4)]
    assert [camera.verdicts_of(given) for given in at_rest] == [{}, {}]
    assert not any(_is_whole(given) for given in at_rest)
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))
    changed = [coded_frame(gone.frame(number)) for number in range(5)]
    told = [camera.verdicts_of(given) for given in changed]
    assert {FIRST: Verdict.EMPTY} in told
    assert any(_is_whole(given) for given in changed)


@pytest.mark.parametrize("flickers", [False, True])
def test_while_a_warehouse_is_dark_its_pictures_rest_and_no_crop_is_cut_out_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, flickers: bool
) -> None:
    """A night may be told as dark and as covered in turn."""
    camera = Camera(tmp_path)
    camera.wait(1000)  # what was never classified is due since the clock began
    for number in range(3):
        camera.verdicts(still(number))
    cut = Mock(side_effect=camera_view.SlotCutting)
    monkeypatch.setattr(camera_view, "SlotCutting", cut)
    attentions, statuses = [], set()
    for number in range(5):
        dark = still(number) // 30
        camera.verdicts_of(coded_frame(np.full_like(dark, 120) if flickers and number % 2 else dark))
        attentions.append(camera.attention)
        statuses.add(camera.status)
        camera.wait(25)
    assert attentions == ["wanted", "wanted", "wanted", "wanted", "rest"], "one dark picture may be a mistake"
    assert len(statuses - {"ok"}) == 1 + flickers
    assert not cut.called
    morning = [camera.verdicts(still(number)) for number in range(5, 9)]
    assert dict.fromkeys(LOCATIONS, Verdict.MATCH) in morning


def test_of_a_stream_s_planes_a_whole_picture_is_made_once_and_none_where_a_carton_is_gone(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))
    at_rest = [planar_frame(still(number)) for number in range(5)]
    changed = [planar_frame(gone.frame(number)) for number in range(5)]
    told = [camera.verdicts_of(given) for given in at_rest + changed]
    stood = dict.fromkeys(LOCATIONS, Verdict.MATCH)
    assert [verdicts for verdicts in told if verdicts] == [stood, {FIRST: Verdict.EMPTY}]
    made = [_is_whole(given) for given in at_rest + changed]
    assert made == [True] + 9 * [False], "the first one is what later ones are compared with"


def _is_whole(given: Frame) -> bool:
    assert isinstance(given.given, PartlyDecodedPicture)
    return given.given._whole is not None


def test_a_picture_whose_whole_turns_out_broken_is_a_picture_that_was_lost(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    for number in range(3):
        camera.verdicts(still(number))
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))

    def broken(number: int) -> Frame:
        whole = coded_frame(gone.frame(number))
        assert isinstance(whole.given, HalfSizePicture)
        return replace(whole, given=HalfSizePicture(whole.given.half, whole.given.size, _refuses))

    assert camera.verdicts_of(broken(0)) == {}, "it moves: half is enough"
    assert camera.verdicts_of(broken(1)) == dict.fromkeys(LOCATIONS, Verdict.STALE)
    assert camera.reasons == {"camera: not a readable picture: check what sends the picture"}
    for number in range(2, 5):
        settled = camera.verdicts_of(coded_frame(gone.frame(number)))
    assert settled == {location: Verdict.EMPTY if location == FIRST else Verdict.MATCH for location in LOCATIONS}


def _refuses() -> Image.Image:
    raise DataError("camera: not a readable picture")


SMALL = (1280, 720)


def _smaller(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size))


def _laid_out_small(folder: Path, how: str) -> Camera:
    """A camera whose locations were laid out in a picture of 1280 x 720; RACK is of 1920 x 1080."""
    Image.fromarray(_smaller(still(), SMALL)).save(folder / "reference.png")
    keys = {"key": f"picture_size = {list(SMALL)}", "reference": 'reference = "reference.png"'}
    return Camera(folder, camera=keys[how], rack=Rack(width_px=SMALL[0], height_px=SMALL[1]))


@pytest.mark.parametrize("how", ["key", "reference"])
def test_a_rack_that_was_laid_out_at_another_size_of_the_same_shape_is_seen_where_it_is(
    tmp_path: Path, how: str
) -> None:
    camera = _laid_out_small(tmp_path, how)
    for number in range(3):
        settled = camera.verdicts(still(number))
    assert settled == dict.fromkeys(LOCATIONS, Verdict.MATCH)


@pytest.mark.parametrize("how", ["key", "reference"])
def test_a_picture_of_another_shape_is_stale_with_the_two_sizes_until_it_is_right_again(
    tmp_path: Path, how: str
) -> None:
    camera = _laid_out_small(tmp_path, how)
    assert camera.verdicts(_smaller(still(), (1024, 768))) == dict.fromkeys(LOCATIONS, Verdict.STALE)
    (reason,) = camera.reasons
    assert "its picture is 1024 x 768, and its locations were laid out at 1280 x 720" in reason
    for number in range(3):
        settled = camera.verdicts(still(number))
    assert settled == dict.fromkeys(LOCATIONS, Verdict.MATCH)


def test_without_a_known_size_corners_are_pixels_of_whatever_the_camera_gives(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    for number in range(3):
        settled = camera.verdicts(still(number))
    assert settled == dict.fromkeys(LOCATIONS, Verdict.MATCH)


def test_a_look_at_many_locations_gives_signs_of_life_that_say_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera(tmp_path)
    monkeypatch.setattr(classifier, "CROPS_PER_HEARTBEAT", 8)
    monkeypatch.setattr(recorder, "FINDINGS_PER_HEARTBEAT", 8)
    camera.verdicts(still())
    said = [text for text in camera.heartbeat.noted if "classified" in text]
    assert said == [f"{done} of 15 places are classified" for done in (8,)]
    vitals = Vitals({"agent": camera.heartbeat}, {})
    assert vitals.waiting() == ["the first look at all locations isn't over: 8 of 15 places are classified"]
    for number in (1, 2):
        camera.verdicts(still(number))
    assert "8 of 15 findings are written down" in camera.heartbeat.noted
    vitals.is_ready.set()
    assert vitals.waiting() == []

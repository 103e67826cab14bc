"""Light, night mode and many changes, through the agent's own line with the demo's model."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.config import Config, load_config
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.models.load import load_model
from edge_agent.records import ExpectedMessage, Frame
from edge_agent.replay.comparison import VerdictChange
from edge_agent.replay.player import Player
from edge_agent.replay.recorded import ReplayedInput
from edge_agent.seeing.camera_view import CameraView
from edge_agent.seeing.kept_colours import KeptColours
from kardus.contract.messages import Expected
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.recording import CAMERA
from simulator.script import Change, ChangeKind
from tests.agents import skus, write_config
from tests.edge_agent.racks import LOCATIONS, RACK, STOCK, frame, noisy, shelf, still, write_still
from tests.edge_agent.seeing.test_view_colours import grey, lit
from tests.scripts.light import lit_to

BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVERY_S, REFRESH_S = 2.0, 6.0
Told = list[tuple[float, str, Verdict, str]]


def _config(folder: Path) -> Config:
    rules = f"[gate]\nrefresh_s = {REFRESH_S}\n"
    path = write_config(folder, 1, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), 'type = "simulated"', extra=rules)
    size = f"picture_size = [{RACK.width_px}, {RACK.height_px}]"
    path.write_text(path.read_text().replace("interval_s", f"{size}\ninterval_s", 1))
    return load_config(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Classifier]:
    """The demo's."""
    section = _config(tmp_path_factory.mktemp("model")).model
    assert section
    return load_model(section)


class Rack:
    """One camera, whose pictures are handed to the agent's line, every EVERY_S of a clock of its own."""

    def __init__(self, folder: Path, model: tuple[Bundle, Classifier]) -> None:
        """Expect what stands there."""
        self._player = Player(_config(folder), {CAMERA: True}, model)
        self._numbers: Iterator[int] = iter(range(1, 10_000))
        self.at_s = 0.0
        for location, name in STOCK.items():
            payload = Expected(revision=1, sku=skus()[name] if name else None).model_dump_json().encode()
            self._player.play(ReplayedInput(BEGAN, 0.0, ExpectedMessage(location, payload)))

    def show(self, pixels: Pixels, times: int) -> Told:
        """The same picture again and again, each with its own noise; what was told meanwhile."""
        told: Told = []
        for _ in range(times):
            self.at_s += EVERY_S
            number, at = next(self._numbers), BEGAN + timedelta(seconds=self.at_s)
            seen = pixels + np.random.default_rng(number).integers(-2, 3, pixels.shape, np.int8).astype(np.int16)
            picture = Image.fromarray(seen.clip(0, 255, out=seen).astype(np.uint8))
            moment = ReplayedInput(at, self.at_s, Frame(CAMERA, number, at, self.at_s, picture))
            told += [(self.at_s, c.finding.location, c.finding.verdict, c.finding.reason) for c in self._play(moment)]
        return told

    def verdicts(self) -> set[Verdict]:
        """What stands."""
        return {state.verdict for state in self._player.states.values()}

    def _play(self, moment: ReplayedInput) -> list[VerdictChange]:
        return self._player.play(moment)


def half(pixels: Pixels) -> Pixels:
    """960 x 540."""
    return np.asarray(Image.fromarray(pixels).reduce(2))


DAY = half(still())


def alerts(told: Told) -> list[tuple[float, str]]:
    """Alerts: when, and of which location."""
    return [(at_s, location) for at_s, location, verdict, _ in told if verdict in ALERTS]


def test_night_mode_is_no_alert_and_the_morning_is_as_the_day_before(
    tmp_path: Path, model: tuple[Bundle, Classifier]
) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    assert rack.verdicts() == {Verdict.MATCH}
    told = rack.show(grey(DAY), 6)
    assert alerts(told) == []
    assert rack.verdicts() == {Verdict.STALE}
    assert {reason.startswith("no colour: night mode?") for *_, reason in told} == {True}
    assert alerts(rack.show(DAY, 5)) == []
    assert rack.verdicts() == {Verdict.MATCH}


def veiled(share: float) -> Pixels:
    """By day, through a lens that is fogged by so much."""
    seen: Pixels = (DAY * (1 - share) + 200 * share).astype(np.uint8)
    return seen


def test_a_lens_that_fogs_over_is_seen_through_and_then_told(tmp_path: Path, model: tuple[Bundle, Classifier]) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    told = [line for share in (0.15, 0.3, 0.4, 0.5) for line in rack.show(veiled(share), 5)]
    assert rack.verdicts() == {Verdict.MATCH}
    later = rack.show(veiled(0.7), 5)
    assert alerts(told + later) == []
    assert rack.verdicts() == {Verdict.STALE}
    assert {"clean" in reason and "lens" in reason for *_, reason in later} == {True}
    rack.show(DAY, 40)
    assert rack.verdicts() == {Verdict.MATCH}


def test_an_agent_that_first_starts_at_night_says_so_and_begins_in_the_morning(
    tmp_path: Path, model: tuple[Bundle, Classifier]
) -> None:
    rack = Rack(tmp_path, model)
    assert alerts(rack.show(grey(DAY), 6)) == []
    assert rack.verdicts() == {Verdict.STALE}
    rack.show(DAY, 4)
    assert rack.verdicts() == {Verdict.MATCH}


def test_a_warm_cast_of_25_percent_is_no_alert(tmp_path: Path, model: tuple[Bundle, Classifier]) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    told = rack.show(lit(DAY, 1.25, 1.0, 0.75), 10)
    assert told == []
    assert rack.verdicts() == {Verdict.MATCH}


def exposed(pixels: Pixels, by: float) -> Pixels:
    """With so much more light, which clips what is bright."""
    seen: Pixels = (pixels.astype(np.float64) * by).clip(0, 255).astype(np.uint8)
    return seen


LIGHTS: dict[str, Callable[[Pixels], Pixels]] = {
    "a green lamp": lambda pixels: lit(pixels, 0.825, 1.35, 0.825),
    "a lamp without blue": lambda pixels: lit(pixels, 1.35, 1.0, 0.65),
    "another exposure": lambda pixels: exposed(pixels, 2.0),
    "another gamma": lambda pixels: (255 * (pixels / 255) ** 0.5).astype(np.uint8),
}


@pytest.mark.parametrize("case", LIGHTS)
def test_what_was_recognised_and_rests_is_no_other_stock_in_a_light_that_hides_it(
    tmp_path: Path, model: tuple[Bundle, Classifier], case: str
) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    assert alerts(rack.show(LIGHTS[case](DAY), 14)) == []
    assert Verdict.UNCERTAIN in rack.verdicts(), "or the light hides nothing, and the test shows nothing"
    assert alerts(rack.show(DAY, 12)) == []
    assert rack.verdicts() == {Verdict.MATCH}


def in_a_band(pixels: Pixels, by: float) -> Pixels:
    """With a band of other light across the rack, whose edges run through what stands there."""
    height, width = pixels.shape[:2]
    down, along = np.mgrid[:height, :width]
    band = (along / width + down / height > 0.7) & (along / width + down / height < 1.2)
    return np.where(band[..., None], exposed(pixels, by), pixels)


def test_a_shadow_s_edge_that_runs_through_what_was_recognised_is_no_other_stock(
    tmp_path: Path, model: tuple[Bundle, Classifier]
) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    assert alerts(rack.show(in_a_band(DAY, 0.4), 22)) == []
    assert Verdict.UNCERTAIN in rack.verdicts(), "or the light hides nothing, and the test shows nothing"
    taken = "A-01-1-02"
    bare = half(shelf(Change(0, ChangeKind.REMOVE, taken)).frame(1))
    assert {location for _, location in alerts(rack.show(in_a_band(bare, 0.4), 22))} == {taken}


def test_a_change_of_stock_in_such_a_light_is_told(tmp_path: Path, model: tuple[Bundle, Classifier]) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    rack.show(exposed(DAY, 2.0), 8)
    taken = next(location for location in LOCATIONS if STOCK[location])
    bare = half(shelf(Change(0, ChangeKind.REMOVE, taken)).frame(1))
    assert {location for _, location in alerts(rack.show(exposed(bare, 2.0), 10))} == {taken}


def test_a_shelf_that_was_emptied_at_once_is_told_soon(tmp_path: Path, model: tuple[Bundle, Classifier]) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    taken = [location for location in LOCATIONS if STOCK[location]][:9]
    bare = half(shelf(*(Change(0, ChangeKind.REMOVE, location) for location in taken)).frame(1))
    since_s = rack.at_s
    told = rack.show(bare, 22)
    assert {location for _, location in alerts(told)} == set(taken)
    assert {verdict for _, _, verdict, _ in told} == {Verdict.UNCERTAIN, Verdict.EMPTY}
    assert max(at_s for at_s, _ in alerts(told)) - (since_s + EVERY_S) <= 30, "from the first picture that shows it"


def _half_lit(pixels: Pixels) -> Pixels:
    return lit_to(0.5, 1.8)(pixels.astype(np.float32), 0).clip(0, 255).astype(np.uint8)


def test_stock_that_leaves_beside_a_light_s_edge_is_told_as_soon(
    tmp_path: Path, model: tuple[Bundle, Classifier]
) -> None:
    """What has to rest there, in case it is somebody in a plain coat, isn't doubted for as long once more."""
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    rack.show(_half_lit(DAY), 5)
    taken = [location for location in LOCATIONS if STOCK[location]][:9]
    bare = half(shelf(*(Change(0, ChangeKind.REMOVE, location) for location in taken)).frame(1))
    since_s = rack.at_s
    told = rack.show(_half_lit(bare), 32)
    assert {location for _, location in alerts(told)} == set(taken)
    assert max(at_s for at_s, _ in alerts(told)) - (since_s + EVERY_S) <= 30, "from the first picture that shows it"


def test_what_nobody_touched_is_no_alert_where_stock_leaves_as_the_light_changes(
    tmp_path: Path, model: tuple[Bundle, Classifier]
) -> None:
    rack = Rack(tmp_path, model)
    rack.show(DAY, 4)
    taken = [location for location in LOCATIONS if STOCK[location]][:8]
    bare = half(shelf(*(Change(0, ChangeKind.REMOVE, location) for location in taken)).frame(1))
    bright = np.clip(bare.astype(np.float32) * 1.8, 0, 255).astype(np.uint8)
    assert {location for _, location in alerts(rack.show(bright, 25))} <= set(taken)


def _section(**changes: object) -> CameraSection:
    locations = [{"id": slot.location, "corners": slot.corners.tolist()} for slot in RACK.slots()]
    return CameraSection.model_validate(
        {"name": "rack 1", "source": {"type": "simulated"}, "locations": locations, **changes},
        strict=False,
    )


def _view(kept: KeptColours, section: CameraSection) -> CameraView:
    return CameraView(section, ViewSection(), GateSection(), live=True, kept=kept)


@pytest.mark.parametrize("units", ["pixels", "share"])
def test_other_stock_is_no_cast_in_a_picture_of_whatever_size_corners_in_pixels_belong_to(units: str) -> None:
    """No size is given: pixels are the camera's own, not those of the reduced picture that is judged."""
    scale = np.array([1, 1] if units == "pixels" else [RACK.width_px, RACK.height_px])
    places = [{"id": slot.location, "corners": (slot.corners / scale).tolist()} for slot in RACK.slots()]
    view = _view(KeptColours(None), _section(units=units, locations=places))
    for second, pixels in enumerate([still(), *([_pasted_over(still())] * 3)]):
        shown = frame(noisy(pixels, second), float(second), second)
        seen = view.see(shown, view.check(shown), [True] * len(LOCATIONS), 32)
        view.prove_colours()
    assert seen.chosen == tuple(range(len(LOCATIONS)))
    assert seen.correction is None


def _pasted_over(pixels: Pixels) -> Pixels:
    """All that stands on the upper level is red."""
    other = pixels.copy()
    for slot in RACK.slots()[10:]:
        (left, top), (right, bottom) = slot.corners.min(axis=0).astype(int), slot.corners.max(axis=0).astype(int)
        other[top + 8 : bottom - 8, left + 8 : right - 8] = (190, 30, 30)
    return other


def test_what_was_learnt_is_kept_over_a_restart_and_lost_with_the_layout(tmp_path: Path) -> None:
    kept, section = KeptColours(tmp_path / "colours"), _section()
    first = _view(kept, section)
    assert first.check(frame(still())).problem is None
    first.prove_colours()
    assert _view(kept, section).check(frame(grey(still(1)))).problem == "no colour"
    laid_out_anew = _section(locations=[{"id": "X", "corners": [[10, 10], [200, 10], [200, 200], [10, 200]]}])
    assert _view(kept, laid_out_anew).check(frame(grey(still(1)))).problem is None
    given = write_still(tmp_path / "reference.png")
    assert _view(KeptColours(None), _section(reference=given)).check(frame(grey(still(1)))).problem == "no colour"
    kept.forget_others(["another"])
    assert _view(kept, section).check(frame(grey(still(1)))).problem is None


def test_what_is_kept_and_cannot_be_read_or_written_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, section = KeptColours(tmp_path / "colours"), _section()
    view = _view(kept, section)
    view.check(frame(still()))
    view.prove_colours()
    (file,) = (tmp_path / "colours").iterdir()
    file.write_bytes(file.read_bytes()[:60])
    assert _view(kept, section).check(frame(grey(still(1)))).problem is None
    assert "learnt anew" in caplog.text
    (tmp_path / "file").write_text("in the way")
    blocked = _view(KeptColours(tmp_path / "file"), section)
    blocked.check(frame(still()))
    blocked.prove_colours()
    assert "not kept over a restart" in caplog.text


def test_a_place_of_colours_that_cannot_even_be_looked_at_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a folder of another user's: the agent would end at each start."""
    kept = KeptColours(tmp_path / ("x" * 300))
    assert kept.read(_section()) is None
    assert "learnt anew" in caplog.text
    kept.forget_others(["another"])
    assert "what is of cameras that are gone stays" in caplog.text

"""The demo's page says what went wrong, and shows names as they are."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kardus.contract.verdicts import Verdict
from simulator.demo.judge import DemoOutcome, judge_demo
from simulator.demo.play import MessageRecording
from simulator.demo.report import PICTURE_PX, FramePainter, ReportedFrame, write_report
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import demo_script
from simulator.shelf import Shelf
from tests.patience import PATIENCE_S
from tests.publishers import Publisher
from tests.simulator.demo.test_judge import FAULTS, SCRIPT, SKUS, _event, _right_events
from warehouse.receiving.site_monitor import SiteMonitor

MARKUP = "<script>alert('1')<"
SHOWN = "&lt;script&gt;alert(&#39;1&#39;)&lt;"


def _page(path: Path, outcome: DemoOutcome) -> str:
    monitor = SiteMonitor()
    monitor.update(*Publisher().state(MARKUP, Verdict.MISMATCH, "Tea", MARKUP))
    states = {location: state for (_, location), state in monitor.states.items()}
    write_report(path, outcome, states, [ReportedFrame("start.png", MARKUP, 0, states)], {"seed": MARKUP})
    return path.read_text(encoding="utf-8")


def test_a_run_that_passed_is_said_to_have(tmp_path: Path) -> None:
    page = _page(tmp_path / "report.html", judge_demo(SCRIPT, SKUS, _right_events()))
    assert "Every scripted fault was reported" in page
    assert page.count("<td>yes</td>") == len(FAULTS)
    assert "False alerts" not in page
    assert "Wrong at the end" not in page


def test_what_went_wrong_is_named(tmp_path: Path) -> None:
    missed = replace(FAULTS[0], location=MARKUP)
    page = _page(
        tmp_path / "report.html", DemoOutcome((missed,), (_event("A-9", "mismatch", "Milk"),), (MARKUP, "A-9"))
    )
    assert "Not everything was reported" in page
    assert "<td>NO</td>" in page
    assert "<tr><td>A-9</td><td>mismatch</td><td>Milk</td></tr>" in page
    assert f"Wrong at the end: {SHOWN}, A-9</p>" in page


@pytest.mark.parametrize("passes", [True, False])
def test_no_name_is_taken_for_markup(tmp_path: Path, *, passes: bool) -> None:
    outcome = judge_demo(SCRIPT, SKUS, _right_events() if passes else [_event(MARKUP, "mismatch", MARKUP)])
    page = _page(tmp_path / "report.html", outcome)
    assert "<script" not in page
    assert page.count(SHOWN) >= 5


class _Watched(Shelf):
    """Says which frames are drawn, and draws none before it may."""

    def __init__(self) -> None:
        rack, pictures = Rack(), DrawnPictures()
        super().__init__(rack, pictures, demo_script([slot.location for slot in rack.slots()], pictures.stock(), 1))
        self.asked, self.drawn, self.may = threading.Event(), list[int](), threading.Event()

    def frame(self, number: int) -> NDArray[np.uint8]:
        """A plain one."""
        self.drawn.append(number)
        self.asked.set()
        assert self.may.wait(PATIENCE_S)
        return np.zeros((90, 160, 3), np.uint8)


def test_a_frame_of_the_report_is_drawn_while_the_shelf_is_played_and_the_same_one_once() -> None:
    shelf = _Watched()
    with FramePainter(shelf) as painter:
        recording = MessageRecording(painter)
        recording.keep("start", ReportedFrame("start.png", "", 4, {}))
        assert shelf.asked.wait(PATIENCE_S), "nobody has asked for the picture yet"
        recording.keep("start", ReportedFrame("later.png", "", 5, {}))
        shelf.may.set()
        (picture,) = painter.finished().items()
    assert picture[0] == "start.png"
    assert Image.open(io.BytesIO(picture[1])).size == PICTURE_PX
    assert shelf.drawn == [4]


def test_a_demo_that_fails_waits_for_no_frame_but_the_one_that_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, shutdown = _Watched(), ThreadPoolExecutor.shutdown

    def ended(pool: ThreadPoolExecutor, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """The frame that is drawn is finished only once the painter has been told to end."""
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        shelf.may.set()
        shutdown(pool, wait=wait)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", ended)
    with FramePainter(shelf) as painter:
        for number in range(3):
            painter.begin(ReportedFrame(f"{number}.png", "", number, {}))
        assert shelf.asked.wait(PATIENCE_S)
    assert shelf.drawn == [0]

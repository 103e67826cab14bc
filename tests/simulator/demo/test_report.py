"""The demo's page says what went wrong, and shows names as they are."""

from dataclasses import replace
from pathlib import Path

import pytest

from kardus.contract.verdicts import Verdict
from simulator.demo.judge import DemoOutcome, judge_demo
from simulator.demo.report import ReportedFrame, write_report
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

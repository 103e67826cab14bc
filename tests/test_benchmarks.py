"""The benchmarks run, measure what they say, and leave table, JSON and picture; at the smallest size."""

import json
import math
import random
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import at_rest, cycle, fleet, fleet_store, growth, month, outbox, peers, start
from tests.benchmarks.__main__ import BEGIN, END, NAMES, with_figures
from tests.benchmarks.month_store import Month
from tests.benchmarks.pairs import in_turn, median, percentile, ratio
from tests.benchmarks.report import Figure, Report, publish, read_report, tables
from tests.benchmarks.scale import Measure

ALL: dict[str, Measure] = {
    "outbox": outbox.measure,
    "cycle": cycle.measure,
    "start": start.measure,
    "at_rest": at_rest.measure,
    "growth": growth.measure,
    "fleet": fleet.measure,
    "peers": peers.measure,
}
EXACT = {"fleet": {"agents": 6, "lost": 0, "received twice": 0}}
"""What doesn't depend on how busy the machine is."""
LONG = ("at_rest", "growth")
"""They watch the same agent as `cycle` and `start`, for longer."""


def test_every_benchmark_is_tried_here() -> None:
    assert set(ALL) == set(NAMES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in ALL])
def test_it_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    report = ALL[name]("smoke", work)
    publish(report, tmp_path)
    assert name in capsys.readouterr().out
    assert all(figure.n > 0 and math.isfinite(figure.value) for figure in report.figures)
    written, content = read_report(tmp_path / f"{name}.json")
    assert written.figures == report.figures
    values = {figure.what: figure.value for figure in report.figures}
    assert {what: values[what] for what in EXACT.get(name, {})} == EXACT.get(name, {})
    assert "onnxruntime" in content["machine"]
    assert (tmp_path / f"{name}.png").exists() == bool(report.curves)
    assert tables(tmp_path, NAMES)[name].startswith(f"### {name}\n")


@pytest.mark.parametrize(("times", "code"), [(1.0, 0), (1.19, 0), (1.5, 1)])
def test_the_exit_code_of_a_months_events_says_a_missed_goal(
    times: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [0.010 + 0.0001 * (n % 3) for n in range(20)]
    many = [times * seconds for seconds in few]
    cost = month.Cost(median(few), median(many), ratio(many, few))
    size = cast("Month", SimpleNamespace(number=1000, size_mb=10.0, filled_s=1.0))
    monkeypatch.setattr(month, "measure", lambda *_: month.Found(size, size, {"insert": cost, "report": cost}))
    assert month.main(2_000, 1_000, 20) == code
    assert ("report: more than 1.2 x" in capsys.readouterr().out) is bool(code)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)  # ten million events are stored
def test_a_month_of_ten_million_events_costs_no_more_than_one_of_a_hundred_thousand() -> None:
    found = month.measure(month.EVENTS, month.BESIDE, month.ROUNDS)
    assert found.missed() == [], {what: cost.times for what, cost in found.costs.items()}


@pytest.mark.slow
def test_of_a_fleet_s_events_all_come_into_postgresql(tmp_path: Path) -> None:
    found = fleet_store.measure(tmp_path, 6, 0.5, 5.0)
    assert (found.agents, found.stored) == (6, found.acknowledged)
    assert found.acknowledged > 0


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=60))
def test_the_interval_holds_the_median(values: list[float]) -> None:
    found = median(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)
    assert found.value == pytest.approx(statistics.median(values))


def test_the_interval_holds_the_true_median_in_95_of_100_samples() -> None:
    rng = random.Random(5)
    for n in (6, 20, 75):
        samples = [median([rng.random() for _ in range(n)]) for _ in range(2000)]
        assert sum(found.low <= 0.5 <= found.high for found in samples) / len(samples) >= 0.94


def test_ratios_are_taken_round_by_round() -> None:
    assert ratio([2, 30, 400], [1, 10, 100]).value == 3


def test_every_work_has_its_turn_and_may_name_its_own_seconds() -> None:
    order: list[str] = []

    def one() -> None:
        order.append("one")

    def other() -> float:
        order.append("other")
        return 7.0

    times = in_turn({"one": one, "other": other}, rounds=2, warm_up=0)
    assert order == ["one", "other", "other", "one"]
    assert times["other"] == [7.0, 7.0]
    assert all(0 <= seconds < 1 for seconds in times["one"])


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([4], 0.99) == 4


@pytest.mark.parametrize(
    ("value", "bound", "outcome"), [(1.0, "at most", "met"), (3.0, "at most", "missed"), (1.0, "at least", "missed")]
)
def test_a_goal_is_met_or_missed(value: float, bound: object, outcome: str) -> None:
    figure = Figure("what", value, "s", 1, bound=bound, goal=2.0)  # type: ignore[arg-type]
    assert figure.outcome == figure.cells[-1] == outcome


def test_the_page_takes_new_figures_in_the_place_of_the_old() -> None:
    """Those that weren't measured on this machine stay."""
    page = f"# Title\n\n{BEGIN}\n\n### start\n\nold\n\n### fleet\n\nkept\n\n{END}\n\n## More\n"
    new = {"start": "### start\n\nnew\n", "outbox": "### outbox\n\nfirst\n"}
    once = with_figures(page, new)
    figures = "### outbox\n\nfirst\n\n### start\n\nnew\n\n### fleet\n\nkept\n"
    assert once == f"# Title\n\n{BEGIN}\n\n{figures}\n{END}\n\n## More\n"
    assert with_figures(once, new) == once


def test_a_benchmark_that_was_not_run_is_left_out(tmp_path: Path) -> None:
    publish(Report("outbox", "smoke"), tmp_path)
    assert list(tables(tmp_path, NAMES)) == ["outbox"]
    assert json.loads((tmp_path / "outbox.json").read_text())["figures"] == []

"""Two commits timed in turn."""

import subprocess

import pytest

from tests.benchmarks import against
from tests.benchmarks.against import ROOT
from tests.scripts.side_by_side import compare


@pytest.mark.slow
def test_a_commit_beside_itself_has_a_ratio_for_each_figure_and_leaves_no_tree(
    capfd: pytest.CaptureFixture[str],
) -> None:
    compare("HEAD", 1, (2, 2, 1))
    rows = [line for line in capfd.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[1:]] == [
        "cycle of 16 locations, s",
        "event beyond inference, s",
        "start to first verdict, s",
    ]
    assert all(0.2 < float(row.split("|")[4]) < 5 for row in rows[1:])
    _assert_no_tree_is_left()


@pytest.mark.slow
def test_every_figure_of_a_benchmark_is_laid_beside_that_of_the_other_commit(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert against.compare("HEAD", ["outbox"], "smoke", 2) == 0
    rows = [line for line in capfd.readouterr().out.splitlines() if line.startswith("| outbox: ")]
    assert len(rows) >= 3
    assert all(float(row.split("|")[4]) > 0 for row in rows)
    assert all(row.split("|")[6].strip() == "2" for row in rows), "a ratio for each round"
    _assert_no_tree_is_left()


def _assert_no_tree_is_left() -> None:
    listed = subprocess.run(["git", "worktree", "list"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "side_by_side" not in listed

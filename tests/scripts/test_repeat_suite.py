"""The script that repeats the suite goes on where it was, and the order it asks for is the same for all workers."""

import itertools
import json
import random
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.conftest import shuffled
from tests.scripts import repeat_suite
from tests.scripts.repeat_suite import Run, recorded, table

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_good"/>
<testcase classname="tests.a" name="test_bad"><failure/></testcase>
<testcase classname="tests.a" name="test_unmade"><error/></testcase>
<testcase classname="tests.a" name="test_left_out"><skipped/></testcase>
</testsuite></testsuites>"""


def _main(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["repeat_suite", *map(str, words)])
    return repeat_suite.main()


def test_the_runs_that_are_missing_are_made_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[tuple[str, int]] = []

    def run(kind: str, seed: int, _more: list[str]) -> Run:
        made.append((kind, seed))
        return Run(kind, seed, "pytest", 7, ("tests.a::test_bad",) if kind == "one core" else (), 1.5)

    monkeypatch.setattr(repeat_suite, "_run", run)
    monkeypatch.setattr(repeat_suite, "_require_programs", lambda _: None)
    path = tmp_path / "record" / "runs.jsonl"
    path.parent.mkdir()
    kept = json.dumps(asdict(Run("quiet", 1, "pytest", 7, (), 1.0)))
    path.write_text(f'{kept}\n{{"kind": "qui\n')
    assert _main(monkeypatch, "--record", path, "--quiet", 2, "--loaded", 1, "--one-core", 1) == 1
    assert made == [("quiet", 2), ("loaded", 1), ("one core", 1)]
    assert "tests.a::test_bad" in capsys.readouterr().out
    assert _main(monkeypatch, "--record", path, "--quiet", 2, "--loaded", 1, "--one-core", 0) == 0
    assert len(made) == 3
    assert len(recorded(path)) == 4


def test_a_program_that_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="stress-ng is not installed: apt-get install stress-ng"):
        _main(monkeypatch, "--record", tmp_path / "runs.jsonl")
    assert not (tmp_path / "runs.jsonl").exists()


def test_what_failed_is_read_from_the_report(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert repeat_suite.outcome(tmp_path / "report.xml") == (1, ("tests.a::test_bad", "tests.a::test_unmade"))
    assert "test_unmade" in table([Run("quiet", 1, "pytest", 1, ("tests.a::test_unmade",), 2.0)])


def test_the_order_is_the_seed_s_and_keeps_files_together() -> None:
    names = [(file, test) for file in "abcdefgh" for test in range(9)]
    orders = [shuffled(names, lambda name: name[0], random.Random(seed)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == names
    files = [file for file, _ in orders[0]]
    assert sum(one != other for one, other in itertools.pairwise(files)) == 7
    assert orders[0] != names

"""How large files and functions may become, and what has to be listed: a stranger finds their way by it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("kardus", "edge_agent", "warehouse", "simulator", "train", "export")
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_LOOSE_FILES, MAX_FILES_IN_A_FOLDER = 400, 50, 5, 40


def _files() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def test_no_file_is_longer_than_what_is_read_at_once() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in _files()}
    assert {path: count for path, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long[f"{path.relative_to(ROOT)}::{node.name}"] = lines
    assert long == {}


@pytest.mark.parametrize("room", ["kardus", "edge_agent", "warehouse"])
def test_few_files_lie_loose_beside_the_rooms(room: str) -> None:
    loose = {path.name for path in (ROOT / room).glob("*.py")} - {"__init__.py", "__main__.py"}
    assert len(loose) <= MAX_LOOSE_FILES, sorted(loose)


def test_no_folder_holds_more_files_than_are_found_at_a_glance() -> None:
    files = Counter(path.parent.relative_to(ROOT).as_posix() for path in _files())
    assert {folder: count for folder, count in files.items() if count > MAX_FILES_IN_A_FOLDER} == {}


def test_every_finding_is_listed_and_every_one_that_is_listed_is_there() -> None:
    page = (ROOT / "findings" / "README.md").read_text(encoding="utf-8")
    listed = {row.split("`")[1] for row in page.splitlines() if row.startswith("| `")}
    assert listed == {path.name for path in (ROOT / "findings").glob("*.sh")}


def test_no_test_changes_the_clock_of_the_whole_process() -> None:
    """Threads of an earlier test fail by it, where a library compares two times; `tests.clocks` changes a module's."""
    clocks = "time|time_ns|monotonic|monotonic_ns|perf_counter"
    changed = re.compile(rf"""setattr\((?:time, |"[\w.]*\btime\.)["']?(?:{clocks})\b""")
    files = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    assert [path for path, text in files.items() if changed.search(text)] == []


def test_every_mutant_that_is_called_equivalent_is_one_of_a_line_that_is_there() -> None:
    rows = (ROOT / "tests/scripts/mutants_equivalent.txt").read_text(encoding="utf-8").splitlines()
    mutated = [(row.split("\t")[0], row.split("\t")[1].strip()) for row in rows]
    lines = {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path, _ in mutated}
    assert [(path, line) for path, line in mutated if line not in map(str.strip, lines[path])] == []


def test_limits_are_called_max_and_min() -> None:
    """One word for one thing: a stranger looks for the field's own."""
    others = re.compile(r"^_?(?:MOST|LONGEST|LARGEST|LEAST|FEWEST|SHORTEST|SMALLEST)_", re.MULTILINE)
    assert [str(path.relative_to(ROOT)) for path in _files() if others.search(path.read_text(encoding="utf-8"))] == []


def test_functions_are_named_by_what_they_do_and_not_as_speech() -> None:
    riddles = {
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in _files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and {"tell", "tells", "told", "said", "says"} & set(node.name.split("_"))
    }
    assert riddles == set()


def test_what_the_architecture_sends_to_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Which file to open")[1]
    named = set(re.findall(r"`((?:kardus|edge_agent|warehouse)/[\w/.]+)`", page))
    assert len(named) >= 10
    assert {path for path in named if not (ROOT / path).exists()} == set()

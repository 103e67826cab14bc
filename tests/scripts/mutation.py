"""Mutation tests of a room: python -m tests.scripts.mutation ROOM [--mutants N] [--processes P] [--again] [--table].

ROOM is a package's folder, as `warehouse/report`. N seeded mutants are drawn, spread over as many places of the code as
there are. The room's tests, and those that import its modules, run once without a mutant: which functions each reaches
and how long it takes is recorded (tests/scripts/reached.py). Then each mutant is applied in a temporary copy of the
tree (one a process), and the tests that reach its function run there, the quick ones first, up to `--budget` seconds. A
mutant that no test notices has survived.

Which mutants there are: tests/scripts/mutants.py. It needs Cosmic Ray, which is no dependency of the project: `pip
install --target FOLDER cosmic-ray`, then start this with `PYTHONPATH=FOLDER`. Outcomes are appended to
build/mutation.jsonl; started again, it goes on. `--again` runs survivors and time-outs once more, without a budget and
with a longer limit; `--table` only prints the table.
"""

import argparse
import functools
import itertools
import json
import math
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kardus.support.proportions import wilson
from tests.scripts.chosen_tests import write_chosen
from tests.scripts.forked_tests import import_libraries, run_tests
from tests.scripts.mutants import ROOT, Mutant, drawn, function_at
from tests.scripts.reached import SITE, Reached, read_reached

RESULTS = ROOT / "build" / "mutation.jsonl"
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
"""Module, line before, line after, reason; separated by tabs. These change nothing that can be observed."""
MIN_TIMEOUT_S = 60.0
WAITS_S = 15.0
"""A test that has waited in vain for so long fails, or for SLOWER times what it took: a mutant often stops what the
test waits for. Unchanged code is given all the time that the tests have, since nobody knows how busy the machine is."""
SLOWER = 3.0
"""A mutant whose tests take so many times as long as those of the unchanged code counts as noticed ..."""
SLOWER_AGAIN = 10.0
"""... and where it is tried again, so many times."""
AGAIN = ("survived", "timeout")
"""What is tried again."""


def tests_of(room: str, module: str) -> list[str]:
    """Test files in the order in which they run: the mirrored one, those that import the module, the room's."""
    tests = ROOT / "tests"
    mirrored = (tests / room) / f"test_{Path(module).stem}.py"
    name = module.removesuffix(".py").replace("/", ".")
    package = sorted((tests / room.split("/", maxsplit=1)[0]).rglob("test_*.py"))
    importing = [path for path in package if re.search(rf"\b{re.escape(name)}\b", path.read_text(encoding="utf-8"))]
    ordered = [mirrored] * mirrored.exists() + importing + sorted((tests / room).rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in dict.fromkeys(ordered)]


def copied_tree(folder: Path) -> Path:
    """A copy of what git knows of, as it is in the working tree."""
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    for name in names:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def read_results() -> dict[str, dict[str, Any]]:
    """The last outcome of every mutant, by its key."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return {row["key"]: row for row in rows}


def run(room: str, mutants: list[Mutant], *, again: bool, processes: int, budget_s: float) -> None:
    """Run the tests of every mutant that has no outcome yet; of AGAIN once more, where asked for, whatever it takes."""
    known, equivalent = read_results(), _equivalent()
    todo = [m for m in mutants if m.key not in known or (again and known[m.key]["outcome"] in AGAIN)]
    todo = [m for m in todo if (m.module, m.before, m.after) not in equivalent]
    if not todo:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    import_libraries()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user passes here
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        trees = [copied_tree(Path(folder) / str(number)) for number in range(processes)]
        options = ["--hypothesis-seed=0", "--shared", f"{folder}/shared"]
        record = _record(room, trees[0], todo, options)
        new = [file for file in _test_files(room, todo) if (trees[0] / file).stat().st_mtime > record.stat().st_mtime]
        _require_passing(trees[0], new, options)
        choice = Choice(room, record, new, *((math.inf, SLOWER_AGAIN) if again else (budget_s, SLOWER)))
        fork = multiprocessing.get_context("fork")
        workers = [
            fork.Process(target=_run_all, args=(choice, tree, todo[number::processes], options))
            for number, tree in enumerate(trees)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


@dataclass(frozen=True)
class Choice:
    """Which of a room's tests run for a mutant, by what was recorded of them."""

    room: str
    record: Path
    new: list[str]
    """Test files that were written since the record was made."""
    budget_s: float
    """What the tests of one mutant may take together; those that don't fit, the longest, are left out."""
    slower: float
    """So many times as long as without a mutant its tests may take."""

    @functools.cached_property
    def reached(self) -> Reached:
        """The record, read once."""
        return read_reached(self.record)

    def tests(self, mutant: Mutant) -> tuple[list[str], list[float]]:
        """Those that enter the function, the quick ones first and PostgreSQL's last; what each of them took (s).

        Without a budget all that enter the module: what is cached, the first test alone is seen to enter.
        """
        seconds = self.reached.seconds
        function = function_at(mutant.module, mutant.line) if self.budget_s < math.inf else ""
        tests = self.reached.tests(mutant.module, function) or self.reached.tests(mutant.module, "") or set(seconds)
        order = sorted(tests & seconds.keys(), key=lambda test: ("postgres" in test, seconds[test]))
        spent = list(itertools.accumulate(seconds[test] for test in order))
        fitting = [test for test, so_far in zip(order, spent, strict=True) if so_far <= self.budget_s]
        return fitting, [seconds[test] for test in fitting]

    def files(self, mutant: Mutant, order: list[str]) -> list[str]:
        """Where the chosen tests are, and what is new."""
        new = [file for file in tests_of(self.room, mutant.module) if file in self.new]
        return list(dict.fromkeys([test.split("::")[0] for test in order] + new))


def table(room: str, mutants: list[Mutant]) -> None:
    """Print the room's figures, and every survivor."""
    known, equivalent = read_results(), _equivalent()
    same = [m for m in mutants if (m.module, m.before, m.after) in equivalent]
    rest = [m for m in mutants if m not in same and m.key in known]
    survivors = [m for m in rest if known[m.key]["outcome"] == "survived"]
    timeouts = sum(known[m.key]["outcome"] == "timeout" for m in rest)
    killed = len(rest) - len(survivors)
    proportion = 100 * len(survivors) / max(1, len(rest))
    low, high = (100 * bound for bound in wilson(len(survivors), len(rest)))
    print("| room | mutants | killed | of these by time-out | survived | equivalent |\n|---|---|---|---|---|---|")
    total = len(rest) + len(same)
    survived = f"{len(survivors)} ({proportion:.1f} %, {low:.1f} to {high:.1f})"
    print(f"| `{room}` | {total} | {killed} | {timeouts} | {survived} | {len(same)} |")
    for mutant in survivors:
        print(f"\n{mutant.module}:{mutant.line} {mutant.operator}\n{mutant.diff}")


def _record(room: str, tree: Path, mutants: list[Mutant], options: list[str]) -> Path:
    """Run everything once, without a mutant: what is costly to make is made here too. Kept until it is deleted."""
    record = RESULTS.with_name(f"reached-{room.replace('/', '-')}.tsv")
    if not record.exists():
        files = _test_files(room, mutants)
        site, begun = tree / "sitecustomize.py", record.with_suffix(".begun")
        begun.unlink(missing_ok=True)
        site.write_text(SITE, encoding="utf-8")
        _require_passing(tree, files, [*options, "-p", "tests.scripts.reached", "--reached", str(begun)])
        site.unlink()
        begun.rename(record)
    return record


def _test_files(room: str, mutants: list[Mutant]) -> list[str]:
    return list(dict.fromkeys(file for mutant in mutants for file in tests_of(room, mutant.module)))


def _require_passing(tree: Path, files: list[str], options: list[str]) -> None:
    """Without a mutant, every test has to pass: one that fails would notice any."""
    if files:
        found = run_tests(tree, files, 3600, options)
        if found["outcome"] != "survived":
            sys.exit(f"the tests fail without a mutant: {found['failed'] or ' '.join(files)}")


def _run_all(choice: Choice, tree: Path, mutants: list[Mutant], options: list[str]) -> None:
    chosen, known = tree / "chosen.json", list(choice.reached.seconds)
    patience = tree / "tests" / "patience.py"
    waits = patience.read_text(encoding="utf-8")
    for mutant in mutants:
        path = tree / mutant.module
        original = path.read_text(encoding="utf-8")
        order, took_s = choice.tests(mutant)
        write_chosen(chosen, order, known)
        words = [*options, "-p", "tests.scripts.chosen_tests", "--chosen", str(chosen)]
        try:
            _write(path, mutant.code)
            _write(patience, f"{waits}\nPATIENCE_S = {max(WAITS_S, choice.slower * max(took_s, default=0.0))}\n")
            timeout_s = max(MIN_TIMEOUT_S, choice.slower * sum(took_s))
            found = run_tests(tree, choice.files(mutant, order), timeout_s, words)
        finally:
            _write(path, original)
        row = {**asdict(mutant), "key": mutant.key, "room": choice.room, "diff": mutant.diff, **found}
        del row["code"]
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")
        print(f"{found['outcome']} {mutant.module}:{mutant.line} {mutant.operator} {found['seconds']} s", flush=True)
        if found["outcome"] == "survived":
            print(mutant.diff, flush=True)


def _write(path: Path, code: str) -> None:
    """Byte code is dropped too: it goes by whole seconds and length, and may pass for the new code's."""
    path.write_text(code, encoding="utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def _equivalent() -> set[tuple[str, str, str]]:
    rows = [line.split("\t") for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if line]
    return {(row[0], row[1], row[2]) for row in rows}


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room")
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for the tests of one mutant, but again")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    mutants = drawn(options.room.rstrip("/"), options.mutants, options.seed)
    if not options.table:
        run(
            options.room.rstrip("/"), mutants, again=options.again, processes=options.processes, budget_s=options.budget
        )
    table(options.room.rstrip("/"), mutants)


if __name__ == "__main__":
    main()

"""Mutation tests of a room: python -m tests.scripts.mutation ROOM [--mutants N] [--processes P] [--again] [--table].

ROOM is a package's folder, as `warehouse/report`. N seeded mutants are drawn, spread over as many places of the code as
there are. Each is applied in a temporary copy of the tree (one a process), and the tests of its module run there: those
that mirror it first, then those that import it, then the room's. A mutant that no test notices has survived.

Cosmic Ray's operators change the code, and one of our own deletes statements. Cosmic Ray is no dependency of the
project: `pip install --target FOLDER cosmic-ray`, then start this with `PYTHONPATH=FOLDER`. Outcomes are appended to
build/mutation.jsonl; started again, it goes on. `--again` runs survivors once more, `--table` only prints the table.
"""

import argparse
import ast
import difflib
import hashlib
import importlib
import json
import multiprocessing
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.scripts.forked_tests import import_libraries, run_tests

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "mutation.jsonl"
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
"""Module, line before, line after, reason; separated by tabs. These change nothing that can be observed."""
MIN_TIMEOUT_S = 60.0
SLOWER = 3.0
"""A mutant whose tests take so many times as long as those of the unchanged code counts as noticed."""
DELETION = "DeleteStatement"
_UNUSED = ("VariableReplacer", "VariableInserter", "ExceptionReplacer")
"""Two need arguments; the third fails on `except (A, B)` of more than names."""
_DELETED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Return, ast.Continue, ast.Break)
Span = tuple[tuple[int, int], tuple[int, int]]
"""First and last position of a piece of code, each as line (from 1) and column (from 0)."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    line: int
    operator: str
    before: str
    after: str
    code: str

    @property
    def key(self) -> str:
        """The same for the same change, wherever in the module the line has moved."""
        text = f"{self.module}\0{self.operator}\0{self.before}\0{self.after}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def diff(self) -> str:
        """What is changed, as two lines."""
        return f"- {self.before}\n+ {self.after}"


def mutants_of(module: str) -> dict[Span, list[Mutant]]:
    """Every mutant of a module, by the place that is changed."""
    source = (ROOT / module).read_text(encoding="utf-8")
    left_out = list(_left_out(ast.parse(source)))
    found: dict[Span, list[Mutant]] = {}
    for span, operator, code in (*_cosmic_ray(source), *_deletions(source)):
        line = span[0][0]
        if code != source and not any(first <= span[0] and span[1] <= last for first, last in left_out):
            found.setdefault(span, []).append(Mutant(module, line, operator, *_changed(source, code), code))
    return found


def drawn(room: str, number: int, seed: int) -> list[Mutant]:
    """The same mutants for the same code and seed: one of every place, in random order, before the second of any."""
    rng = random.Random(seed)
    ranked: list[tuple[int, float, Mutant]] = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for mutants in mutants_of(str(path.relative_to(ROOT))).values():
            rng.shuffle(mutants)
            ranked += [(rank, rng.random(), mutant) for rank, mutant in enumerate(mutants)]
    return [mutant for _, _, mutant in sorted(ranked, key=lambda row: row[:2])[:number]]


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


def run(room: str, mutants: list[Mutant], *, again: bool, processes: int) -> None:
    """Run the tests of every mutant that has no outcome yet, and of survivors where that is asked for."""
    known, equivalent = read_results(), _equivalent()
    todo = [m for m in mutants if m.key not in known or (again and known[m.key]["outcome"] == "survived")]
    todo = [m for m in todo if (m.module, m.before, m.after) not in equivalent]
    if not todo:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    import_libraries()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        options = ["--hypothesis-seed=0", "--shared", f"{folder}/shared"]
        trees = [copied_tree(Path(folder) / str(number)) for number in range(processes)]
        timeout_s = _timeout_s(room, trees[0], todo, options)
        shares = [todo[number::processes] for number in range(processes)]
        fork = multiprocessing.get_context("fork")
        workers = [
            fork.Process(target=_run_all, args=(room, tree, share, timeout_s, options))
            for tree, share in zip(trees, shares, strict=True)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def table(room: str, mutants: list[Mutant]) -> None:
    """Print the room's figures, and every survivor."""
    known, equivalent = read_results(), _equivalent()
    same = [m for m in mutants if (m.module, m.before, m.after) in equivalent]
    rest = [m for m in mutants if m not in same and m.key in known]
    survivors = [m for m in rest if known[m.key]["outcome"] == "survived"]
    timeouts = sum(known[m.key]["outcome"] == "timeout" for m in rest)
    killed = len(rest) - len(survivors)
    proportion = 100 * len(survivors) / len(rest) if rest else 0.0
    print("| room | mutants | killed | of these by time-out | survived | equivalent |\n|---|---|---|---|---|---|")
    total = len(rest) + len(same)
    print(f"| `{room}` | {total} | {killed} | {timeouts} | {len(survivors)} ({proportion:.0f} %) | {len(same)} |")
    for mutant in survivors:
        print(f"\n{mutant.module}:{mutant.line} {mutant.operator}\n{mutant.diff}")


def _timeout_s(room: str, tree: Path, mutants: list[Mutant], options: list[str]) -> float:
    """Runs everything once: what is costly to make is made here, without a mutant."""
    files = dict.fromkeys(file for mutant in mutants for file in tests_of(room, mutant.module))
    found = run_tests(tree, list(files), 3600, options)
    if found["outcome"] != "survived":
        sys.exit(f"the tests fail without a mutant: {' '.join(files)}")
    found = run_tests(tree, list(files), 3600, options)
    return max(MIN_TIMEOUT_S, SLOWER * float(str(found["seconds"])))


def _run_all(room: str, tree: Path, mutants: list[Mutant], timeout_s: float, options: list[str]) -> None:
    for mutant in mutants:
        path = tree / mutant.module
        original = path.read_text(encoding="utf-8")
        try:
            _write(path, mutant.code)
            found = run_tests(tree, tests_of(room, mutant.module), timeout_s, options)
        finally:
            _write(path, original)
        row = {**asdict(mutant), "key": mutant.key, "room": room, "diff": mutant.diff, **found}
        del row["code"]
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")
        print(f"{found['outcome']} {mutant.module}:{mutant.line} {mutant.operator}", flush=True)


def _write(path: Path, code: str) -> None:
    """Byte code is dropped too: it goes by whole seconds and length, and may pass for the new code's."""
    path.write_text(code, encoding="utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def _cosmic_ray(source: str) -> Iterator[tuple[Span, str, str]]:
    """Place, operator and mutated code for everything that its operators find."""
    plugins, syntax, mutating = (
        importlib.import_module(f"cosmic_ray.{name}") for name in ("plugins", "ast", "mutating")
    )
    for name in sorted(plugins.operator_names()):
        if name.endswith(_UNUSED):
            continue
        operator = plugins.get_operator(name)()
        nodes = syntax.ast_nodes(syntax.get_ast(source))
        spans = [span for node in nodes for span in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(spans):
            yield (tuple(start), tuple(end)), name, mutating.mutate_code(source, operator, occurrence) or source


def _deletions(source: str) -> Iterator[tuple[Span, str, str]]:
    """Every simple statement of a function, replaced by `pass`."""
    lines = source.splitlines(keepends=True)
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, _DELETED):
                last = node.end_lineno or node.lineno
                kept = lines[last - 1].encode()[node.end_col_offset or 0 :].decode()
                changed = [*lines[: node.lineno - 1], " " * node.col_offset + "pass" + kept, *lines[last:]]
                yield _span(node), DELETION, "".join(changed)


def _left_out(tree: ast.Module) -> Iterator[Span]:
    """Annotations, docstrings, log messages, the texts of errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            yield _span(node.annotation)
        if isinstance(node, ast.FunctionDef) and node.returns:
            yield _span(node.returns)
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
            yield _span(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield _span(node.exc)


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")


def _span(node: ast.stmt | ast.expr) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def _changed(source: str, code: str) -> tuple[str, str]:
    """What differs, each side as one line."""
    lines = list(difflib.ndiff(source.splitlines(), code.splitlines()))
    before, after = ([line[2:].strip() for line in lines if line.startswith(mark)] for mark in ("- ", "+ "))
    return " ".join(before), " ".join(after)


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
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    mutants = drawn(options.room.rstrip("/"), options.mutants, options.seed)
    if not options.table:
        run(options.room.rstrip("/"), mutants, again=options.again, processes=options.processes)
    table(options.room.rstrip("/"), mutants)


if __name__ == "__main__":
    main()

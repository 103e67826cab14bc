"""The whole suite again and again, quiet, under load and on one core: `python -m tests.scripts.repeat_suite`.

Each run has another order (`--shuffle SEED`) and is written to a file of JSON lines when it is over; started again, the
script goes on with the runs that the file lacks. Takes hours. A test that fails here and not alone counts on the
machine's speed, on being alone, or on another test.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
LOAD = ("stress-ng", "--cpu", "4")
PINNED = ("taskset", "-c", "0")
PACKAGES = {"stress-ng": "stress-ng", "taskset": "util-linux"}
"""Where Debian has them."""
KINDS = {"quiet": 5, "loaded": 3, "one core": 2}
"""How many runs of each kind there are, unless it is said."""
_RAN = (0, 1)
"""Exit codes of pytest: all passed, or some failed. With any other the suite hasn't been run to its end."""


@dataclass(frozen=True)
class Run:
    """One run of the suite."""

    kind: str
    seed: int
    command: str
    passed: int
    failed: tuple[str, ...]
    """The tests' names, a fixture's failure too."""
    seconds: float


def recorded(path: Path) -> list[Run]:
    """The runs of a file; a line that was cut off is none."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            content = json.loads(line)
            found.append(Run(**(content | {"failed": tuple(content["failed"])})))
    return found


def wanted(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Kind and seed of every run that there is to be."""
    return [(kind, seed) for kind, count in counts.items() for seed in range(1, count + 1)]


def command(kind: str, seed: int, more: list[str], report: Path) -> list[str]:
    """The words that run the suite."""
    workers = ["--numprocesses", "5", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart", "0"]
    words = [sys.executable, "-m", "pytest", *workers, "--shuffle", str(seed), "--junitxml", str(report), *more]
    return [*PINNED, *words] if kind == "one core" else words


def outcome(report: Path) -> tuple[int, tuple[str, ...]]:
    """How many tests passed, and which failed, of pytest's report."""
    passed, failed = 0, []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by the run itself
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        else:
            passed += "skipped" not in kinds
    return passed, tuple(failed)


@contextlib.contextmanager
def _beside(kind: str) -> Iterator[None]:
    if kind != "loaded":
        yield
        return
    with subprocess.Popen(LOAD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load:
        try:
            yield
        finally:
            load.terminate()


def _run(kind: str, seed: int, more: list[str]) -> Run:
    with tempfile.TemporaryDirectory() as folder, _beside(kind):
        report = Path(folder) / "report.xml"
        words, began = command(kind, seed, more, report), time.monotonic()
        code = subprocess.run(words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False).returncode
        if code not in _RAN:
            sys.exit(f"error: pytest ended with {code} before the suite's end: mend that, then start this again")
        passed, failed = outcome(report)
        text = shlex.join(words).replace(str(report), "REPORT") + (
            f"  # {shlex.join(LOAD)}" if kind == "loaded" else ""
        )
    return Run(kind, seed, text, passed, failed, round(time.monotonic() - began, 1))


def table(runs: list[Run]) -> str:
    """The runs, one a line, with the names of what failed below each."""
    lines = [f"{'run':10}{'seed':>5}{'passed':>8}{'failed':>8}{'seconds':>9}  command"]
    for run in runs:
        seconds = f"{run.seconds:.0f}"
        lines.append(f"{run.kind:10}{run.seed:5}{run.passed:8}{len(run.failed):8}{seconds:>9}  {run.command}")
        lines += [f"          {name}" for name in run.failed]
    return "\n".join(lines)


def _require_programs(kinds: set[str]) -> None:
    needed = {"loaded": LOAD[0], "one core": PINNED[0]}
    for program in (needed[kind] for kind in sorted(kinds & needed.keys())):
        if shutil.which(program) is None:
            sys.exit(f"error: {program} is not installed: apt-get install {PACKAGES[program]}, then start this again")


def main() -> int:
    """Do the runs that are missing, and show all; 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=ROOT / "build" / "repeat-suite.jsonl", help="the file of runs")
    for kind, count in KINDS.items():
        parser.add_argument(f"--{kind.replace(' ', '-')}", type=int, default=count, help=f"runs of this kind ({count})")
    parser.add_argument("pytest", nargs="*", help="more for pytest, after --: folders, options")
    arguments = parser.parse_args()
    runs = wanted({kind: getattr(arguments, kind.replace(" ", "_")) for kind in KINDS})
    done = {(run.kind, run.seed) for run in recorded(arguments.record)}
    missing = [run for run in runs if run not in done]
    _require_programs({kind for kind, _ in missing})
    arguments.record.parent.mkdir(parents=True, exist_ok=True)
    for kind, seed in missing:
        print(f"{kind}, seed {seed}", flush=True)
        run = _run(kind, seed, arguments.pytest)
        with arguments.record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")
    found = [run for run in recorded(arguments.record) if (run.kind, run.seed) in runs]
    print(table(found))
    return int(any(run.failed for run in found))


if __name__ == "__main__":
    sys.exit(main())

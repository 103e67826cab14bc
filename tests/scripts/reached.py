"""Which functions each test reaches: a plugin of pytest, `-p tests.scripts.reached --reached FILE`.

FILE gets a line for every function of the project that a test enters, in whatever thread or process, and one for how
long each test took. A process that a test has started records too where `sitecustomize.py` calls `record_here`.
"""

import atexit
import os
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import pytest

TREE = Path(__file__).parents[2]
VARIABLE = "KARDUS_REACHED"
SITE = f"import os\nif {VARIABLE!r} in os.environ:\n    from tests.scripts import reached\n    reached.record_here()\n"
"""What `sitecustomize.py` says in a tree whose processes record."""
_OWN = tuple(f"{TREE / name}{os.sep}" for name in ("edge_agent", "kardus", "warehouse"))


@dataclass
class Reached:
    """What was recorded of a set of tests."""

    functions: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Tests by module and function (`Class.method`, `function`; lambdas and the like count as what they stand in)."""
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How long each test took, with its fixtures."""

    def tests(self, module: str, function: str) -> set[str]:
        """What enters that function; of "", which is the module itself, what enters any."""
        if function:
            return self.functions.get((module, function), set())
        return set[str]().union(*(tests for (at, _), tests in self.functions.items() if at == module))


def read_reached(path: Path) -> Reached:
    """Everything that was recorded there; of a test that was recorded twice, the last time that it took."""
    found = Reached()
    for line in path.read_text(encoding="utf-8").splitlines():
        test, module, function = line.split("\t")
        if module:
            found.functions[module, function].add(test)
        else:
            found.seconds[test] = float(function)
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to record."""
    parser.addoption("--reached", metavar="FILE", help="record there which functions each test reaches")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    os.environ[VARIABLE] = config.option.reached
    record_here()


def pytest_runtest_protocol(item: pytest.Item) -> None:
    """A test's time begins anew."""
    _seconds[item.nodeid] = 0.0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Set-up, call and clean-up of a test are three reports."""
    _seconds[report.nodeid] += report.duration
    if report.when == "teardown":
        _write(report.nodeid, "", f"{_seconds[report.nodeid]:.3f}")


def record_here() -> None:
    """Record every function that any thread of this process enters from now on."""
    seen = set[tuple[str, CodeType]]()

    def enter(frame: FrameType, _event: str, _argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(_OWN):
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
            if test and (test, code) not in seen:
                seen.add((test, code))
                _write(test, str(Path(code.co_filename).relative_to(TREE)), code.co_qualname.split(".<locals>")[0])

    atexit.register(sys.settrace, None)  # at its very end a process has no modules left
    threading.settrace(enter)
    sys.settrace(enter)


def _write(test: str, module: str, text: str) -> None:
    """At once: a process may be killed; and in one piece, since several processes write."""
    handle = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, f"{test}\t{module}\t{text}\n".encode())
    finally:
        os.close(handle)


_seconds: dict[str, float] = {}

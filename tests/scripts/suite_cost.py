"""What the tests cost by file: `python -m pytest -p tests.scripts.suite_cost ...`, with several processes too.

Counted is processor time (user and system), of the tests' process and of the processes that it started and waited for,
with the fixtures, since that says the same on a busy machine; wall time stands beside it. A fixture that several files
share is counted where it is made.
"""

import os
import time
from collections import Counter
from collections.abc import Generator

import pytest

PROPERTY = "suite_cost"
SHOWN = 40


class Costs:
    """Of one process: what was used since the last phase of a test ended."""

    def __init__(self) -> None:
        """Begin to count."""
        self._before = _used_s()

    def since_last(self) -> tuple[float, float]:
        """Seconds of processor time and of wall time."""
        now = _used_s()
        spent = now[0] - self._before[0], now[1] - self._before[1]
        self._before = now
        return spent


def _used_s() -> tuple[float, float]:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system, time.perf_counter()


COSTS = pytest.StashKey[Costs]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What collecting costs is no test's."""
    session.config.stash[COSTS] = Costs()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report of each phase say what it has cost."""
    report = yield
    report.user_properties = [*report.user_properties, (PROPERTY, item.config.stash[COSTS].since_last())]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the files that cost most."""
    processor_s, wall_s = Counter[str](), Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == PROPERTY:
                    file = report.nodeid.split("::")[0]
                    processor_s[file] += value[0]
                    wall_s[file] += value[1]
    terminalreporter.section("processor time and wall time by file")
    terminalreporter.write_line(f"{processor_s.total():8.1f} s {wall_s.total():8.1f} s in {len(wall_s)} files")
    for file, used_s in processor_s.most_common(SHOWN):
        terminalreporter.write_line(f"{used_s:8.1f} s {wall_s[file]:8.1f} s {file}")

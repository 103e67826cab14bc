"""A receiver and a load for every test, and what needs root."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.faults.load import Load
from tests.faults.storing import StoringReceiver

_not_run: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that mount disks and pull cables need root; elsewhere they are left out, and said to be."""
    if os.geteuid() == 0:
        return
    needing = [item for item in items if item.get_closest_marker("root")]
    _not_run.extend(item.name for item in needing)
    items[:] = [item for item in items if item not in needing]
    config.hook.pytest_deselected(items=needing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what wasn't run."""
    if _not_run:
        terminalreporter.write_line(
            f"NOT RUN, since they need root to mount disks and pull cables: {', '.join(_not_run)}. "
            "Run them with: sudo .venv/bin/python -m pytest -m root tests/faults"
        )


@pytest.fixture
def load(tmp_path: Path, mosquitto: Mosquitto) -> Load:
    """A sender that isn't started yet, to the broker of the test."""
    return Load(tmp_path, mosquitto.port)


@pytest.fixture
def receiver(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[StoringReceiver]:
    """A receiver that stores and confirms."""
    with StoringReceiver(tmp_path / "received.sqlite", mosquitto.port) as receiver:
        yield receiver

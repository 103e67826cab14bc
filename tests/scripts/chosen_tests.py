"""Runs some tests in a given order: a plugin of pytest, `-p tests.scripts.chosen_tests --chosen FILE`."""

import json
from pathlib import Path

import pytest
from hypothesis import Phase, settings


def write_chosen(path: Path, order: list[str], known: list[str]) -> None:
    """`order`: node ids, as they shall run. Tests that aren't in `known` are new: they run first."""
    path.write_text(json.dumps({"order": order, "known": known}), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which tests."""
    parser.addoption("--chosen", type=Path, metavar="FILE", help="run these tests, in this order")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """That a property fails is all that is asked: no smaller example is looked for. After conftest.py's own profile."""
    settings.register_profile("chosen", settings(), phases=[Phase.explicit, Phase.reuse, Phase.generate])
    settings.load_profile("chosen")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep those, in that order."""
    chosen = json.loads(config.option.chosen.read_text(encoding="utf-8"))
    ranks, known = {name: rank for rank, name in enumerate(chosen["order"])}, set(chosen["known"])
    kept = [item for item in items if item.nodeid in ranks or item.nodeid not in known]
    items[:] = sorted(kept, key=lambda item: ranks.get(item.nodeid, -1))

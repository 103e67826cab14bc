"""Who may import whom: what isn't allowed in pyproject.toml is refused, room by room."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.conftest import BIN
from tests.import_rules import AllowedImports, Refused

ROOT = Path(__file__).parents[1]
SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LINES: list[str] = SETTINGS["contracts"][0]["rooms"]
RULES = AllowedImports("rules", {}, {"rooms": LINES})
ROOMS = [line.partition(":")[0] for line in LINES]
MIN_REFUSED = 8
"""Even who joins most may not import so many other rooms."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Every import of the product."""
    return grimp.build_graph(*SETTINGS["root_packages"], include_external_packages=True, cache_dir=None)


def _illegal(graph: grimp.ImportGraph, room: str) -> list[str]:
    """A module of every room, and of every package of training, that a room's list doesn't name; and a distribution."""
    allowed = [name.strip() for name in LINES[ROOMS.index(room)].partition(":")[2].split(",")]
    packages = {*ROOMS, *(module for module in graph.modules if module.startswith("train.") and module.count(".") == 1)}
    others = {max(module for module in graph.modules if _is_in(module, package)) for package in packages}
    return sorted(
        other for other in {*others, "flask"} if not any(_is_in(other, name) for name in (room, *allowed) if name)
    )


def test_the_product_keeps_the_rules(graph: grimp.ImportGraph) -> None:
    assert RULES.refused(graph) == []


def test_nothing_is_allowed_that_no_room_needs(graph: grimp.ImportGraph) -> None:
    unused = {}
    for line in LINES:
        room, _, names = line.partition(":")
        inside = {module for module in graph.modules if module == room or module.startswith(f"{room}.")}
        inside -= {module for module in inside for other in ROOMS if len(other) > len(room) and _is_in(module, other)}
        imported = {target for module in inside for target in graph.find_modules_directly_imported_by(module)}
        allowed = [name.strip() for name in names.split(",")]
        if idle := [name for name in allowed if name and not any(_is_in(target, name) for target in imported)]:
            unused[room] = idle
    assert unused == {}


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("room", ROOMS)
def test_an_illegal_import_in_a_room_is_refused(graph: grimp.ImportGraph, room: str) -> None:
    inside = min(module for module in graph.modules if module == room or module.startswith(f"{room}."))
    targets = _illegal(graph, room)
    assert len(targets) >= MIN_REFUSED
    for target in targets:
        if target not in graph.modules:
            graph.add_module(target, is_squashed=True)
        assert not graph.direct_import_exists(importer=inside, imported=target)
        graph.add_import(importer=inside, imported=target)
    assert RULES.refused(graph) == [Refused(inside, target) for target in sorted(targets)]
    for target in targets:
        graph.remove_import(importer=inside, imported=target)


def test_a_room_that_is_not_listed_is_refused(graph: grimp.ImportGraph) -> None:
    graph.add_module("edge_agent.attic.trunk")
    assert Refused("edge_agent.attic.trunk") in RULES.refused(graph)
    graph.remove_module("edge_agent.attic.trunk")


def test_the_check_fails_and_names_the_import(tmp_path: Path) -> None:
    for package in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("__init__.py", "import_rules.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    slots = tmp_path / "edge_agent" / "seeing" / "slots.py"
    slots.write_text(slots.read_text() + "\n\ndef late() -> None:\n    import train.config\n")
    ran = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "edge_agent.seeing.slots imports train.config" in " ".join(ran.stdout.split())

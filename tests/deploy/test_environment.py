"""The environment that the Makefile makes."""

import json
import os
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.conftest import BIN
from tests.deploy.byte_code import without_byte_code
from tests.end_to_end.environments import needed
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
COMMANDS = ("edge_agent.cli.main", "warehouse.cli.main", "simulator.demo.play", "edge_agent.camera.snapshot")


def _making() -> list[str | Path]:
    """The script that makes byte code, and the modules that it is given for the agent's environment."""
    script = (ROOT / "deploy" / "environment.sh").read_text()
    used = re.search(r'^ +demo\)[^;]*;[^;]*used="([^"]+)"', script, flags=re.MULTILINE)
    making = re.search(r'^PYTHONDONTWRITEBYTECODE="" "\$directory/bin/python" (\S+) \$used$', script, re.MULTILINE)
    assert used
    assert making
    return [ROOT / making.group(1), *used.group(1).split()]


def test_all_that_the_demo_needs_is_installed_at_once_and_nothing_else() -> None:
    """Several pips install it that don't ask what needs what; what they aren't told of comes later, one by one."""
    listed = (ROOT / "deploy" / "demo_packages.txt").read_text().splitlines()
    packages = needed(distribution("kardus"), {"demo"})
    assert sorted(map(canonicalize_name, listed)) == sorted({canonicalize_name(found.name) for found in packages})


LOADED = "import json, runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0]); print(json.dumps(sorted(sys.modules)))"
IMPORTED = (
    "import importlib, json, sys; [*map(importlib.import_module, sys.argv[1:])]; print(json.dumps([*sys.modules]))"
)


def _loaded(folder: Path, code: str, *words: str | Path) -> set[str]:
    """The modules that a process has loaded which runs this code."""
    ran = subprocess.run(
        [BIN / "python", "-c", code, *words], cwd=folder, capture_output=True, check=True, timeout=5 * PATIENCE_S
    )
    return set(json.loads(ran.stdout))


def test_all_that_the_agents_commands_import_is_imported_where_byte_code_is_made(tmp_path: Path) -> None:
    """Python itself writes byte code of what is imported; that it does is the slow test's matter."""
    lacking = _loaded(tmp_path, IMPORTED, *COMMANDS) - _loaded(tmp_path, LOADED, *_making())
    assert not lacking


@pytest.mark.slow
def test_byte_code_of_all_that_the_agents_commands_import_is_made_with_the_environment(tmp_path: Path) -> None:
    elsewhere = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}  # as an environment that is new
    assert without_byte_code(BIN / "python", tmp_path, elsewhere, COMMANDS)
    words = [BIN / "python", *_making()]
    subprocess.run(words, env={**elsewhere, "PYTHONDONTWRITEBYTECODE": ""}, check=True, timeout=5 * PATIENCE_S)
    assert not without_byte_code(BIN / "python", tmp_path, elsewhere, COMMANDS)

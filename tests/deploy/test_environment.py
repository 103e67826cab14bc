"""The environment that the Makefile makes."""

import os
import re
import subprocess
from pathlib import Path

from tests.conftest import BIN
from tests.deploy.byte_code import without_byte_code
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
COMMANDS = ("edge_agent.cli.main", "warehouse.cli", "simulator.demo.play", "edge_agent.camera.snapshot")


def test_byte_code_of_all_that_the_agents_commands_import_is_made_with_the_environment(tmp_path: Path) -> None:
    script = (ROOT / "deploy" / "environment.sh").read_text()
    used = re.search(r'^ +demo\)[^;]*;[^;]*used="([^"]+)"', script, flags=re.MULTILINE)
    making = re.search(r'^PYTHONDONTWRITEBYTECODE="" "\$directory/bin/python" (\S+) \$used$', script, re.MULTILINE)
    assert used
    assert making
    elsewhere = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}  # as an environment that is new
    assert without_byte_code(BIN / "python", tmp_path, elsewhere, COMMANDS)
    words = [BIN / "python", ROOT / making.group(1), *used.group(1).split()]
    subprocess.run(words, env={**elsewhere, "PYTHONDONTWRITEBYTECODE": ""}, check=True, timeout=5 * PATIENCE_S)
    assert not without_byte_code(BIN / "python", tmp_path, elsewhere, COMMANDS)

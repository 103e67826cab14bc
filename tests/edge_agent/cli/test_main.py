"""What a start of the agent doesn't load."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import BIN
from tests.patience import PATIENCE_S

LATER = {
    "av": "FFmpeg is the decoding process's",
    "edge_agent.cli.slots": "another command",
    "httpx2": "pictures and models that come over HTTP",
    "kardus.support.tabular.tables": "the labels of photos, where somebody has changed their table",
    "simulator.camera": "the demo's",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that the command brings along."""
    code = "import json, sys; import edge_agent.cli.main; print(json.dumps([*sys.modules]))"
    folder: Path = tmp_path_factory.mktemp("start")
    ran = subprocess.run(
        [BIN / "python", "-c", code], cwd=folder, capture_output=True, check=True, timeout=5 * PATIENCE_S
    )
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("module", LATER)
def test_what_only_some_agents_need_is_loaded_when_they_do(loaded: set[str], module: str) -> None:
    assert module not in loaded, LATER[module]

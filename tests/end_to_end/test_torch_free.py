"""What `make demo` installs, from the wheel: no torch, small, and the demo runs. In `make test`, test_sides_alone."""

from pathlib import Path

import pytest

from tests.conftest import Once
from tests.end_to_end.environments import build_wheel, install, run

LIMIT_MB = 400
HEAVY = ("torch", "torchvision", "onnx", "lightning_fabric")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def agent_bin(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Path:
    """What `make demo` installs."""
    return install(once("wheel", build_wheel), tmp_path_factory.mktemp("demo") / "venv", "demo")


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_is_installed(agent_bin: Path, tmp_path: Path, module: str) -> None:
    result = run(agent_bin, "python", "-c", f"import {module}", cwd=tmp_path)
    assert f"No module named '{module}'" in result.stderr


def test_the_environment_is_small(agent_bin: Path) -> None:
    total = sum(path.lstat().st_blocks * 512 for path in agent_bin.parent.rglob("*"))
    assert total / 1e6 <= LIMIT_MB


@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_the_demo_runs(agent_bin: Path, tmp_path: Path, broker: str) -> None:
    result = run(agent_bin, "kardus-agent", "demo", "--seed", "3", "--broker", broker, "--out", "d", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {"start.png", "end.png", "messages.jsonl", "report.html"} <= {p.name for p in (tmp_path / "d").iterdir()}
    assert "passed" in (tmp_path / "d" / "report.html").read_text()

"""The agent installed alone, as on a camera's box: no torch, small, and the demo runs from the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
LIMIT_MB = 380
HEAVY = ("torch", "torchvision", "onnx", "lightning_fabric")


@pytest.fixture(scope="module")
def agent_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel's base dependencies."""
    folder = tmp_path_factory.mktemp("agent") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    # as `make demo` installs it (deploy/environment.sh)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    install.append("--no-compile")
    # pip builds in the source folder: give it a clean copy, so that the wheel has what a stranger's would have
    source = folder.parent / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    for room in ("kardus", "edge_agent", "warehouse", "simulator", "train", "export"):
        shutil.copytree(ROOT / room, source / room, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", source)
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), str(source)], check=True, timeout=5 * PATIENCE_S)
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), f"{source}[demo]"], check=True, timeout=280)
    return folder / "bin"


def _run(agent_bin: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(agent_bin / words[0]), *words[1:]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=5 * PATIENCE_S)


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_is_installed(agent_bin: Path, tmp_path: Path, module: str) -> None:
    result = _run(agent_bin, "python", "-c", f"import {module}", cwd=tmp_path)
    assert f"No module named '{module}'" in result.stderr


def test_the_environment_is_small(agent_bin: Path) -> None:
    total = sum(path.lstat().st_blocks * 512 for path in agent_bin.parent.rglob("*"))
    assert total / 1e6 <= LIMIT_MB


@pytest.mark.parametrize("broker", ["mosquitto", pytest.param("embedded", marks=pytest.mark.slow)])
def test_the_demo_runs(agent_bin: Path, tmp_path: Path, broker: str) -> None:
    result = _run(agent_bin, "kardus-agent", "demo", "--seed", "3", "--broker", broker, "--out", "d", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {"start.png", "end.png", "messages.jsonl", "report.html"} <= {p.name for p in (tmp_path / "d").iterdir()}
    assert "passed" in (tmp_path / "d" / "report.html").read_text()


def test_a_command_that_needs_torch_says_what_to_install(agent_bin: Path, tmp_path: Path) -> None:
    for words, extra in (
        (("kardus-train", "fit", "photos", "--out", "run"), "train"),
        (("kardus-train", "evaluate", "run", "photos"), "train"),
        (("kardus-export", "build", "r", "--out", "r.bundle"), "export"),
    ):
        result = _run(agent_bin, *words, cwd=tmp_path)
        assert result.returncode == 2
        assert f"pip install 'kardus[{extra}]'" in result.stderr
        assert "Traceback" not in result.stderr


def test_bundles_are_verified_and_inspected_without_torch(agent_bin: Path, tmp_path: Path) -> None:
    bundle = str(ROOT / "simulator" / "demo" / "demo.bundle")
    for command in ("verify", "inspect"):
        result = _run(agent_bin, "kardus-export", command, bundle, cwd=tmp_path)
        assert result.returncode == 0, result.stderr

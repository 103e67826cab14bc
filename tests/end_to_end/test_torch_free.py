"""The agent installed alone, as on a camera's box: no torch, small, and the demo runs from the wheel."""

from pathlib import Path

import pytest

from tests.conftest import Once
from tests.end_to_end.environments import ROOT, build_wheel, install, run

LIMIT_MB = 380
HEAVY = ("torch", "torchvision", "onnx", "lightning_fabric")


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


@pytest.mark.parametrize("broker", ["mosquitto", pytest.param("embedded", marks=pytest.mark.slow)])
def test_the_demo_runs(agent_bin: Path, tmp_path: Path, broker: str) -> None:
    result = run(agent_bin, "kardus-agent", "demo", "--seed", "3", "--broker", broker, "--out", "d", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {"start.png", "end.png", "messages.jsonl", "report.html"} <= {p.name for p in (tmp_path / "d").iterdir()}
    assert "passed" in (tmp_path / "d" / "report.html").read_text()


def test_a_command_that_needs_torch_says_what_to_install(agent_bin: Path, tmp_path: Path) -> None:
    for words, extra in (
        (("kardus-train", "fit", "photos", "--out", "run"), "train"),
        (("kardus-train", "evaluate", "run", "photos"), "train"),
        (("kardus-export", "build", "r", "--out", "r.bundle"), "export"),
    ):
        result = run(agent_bin, *words, cwd=tmp_path)
        assert result.returncode == 2
        assert f"pip install 'kardus[{extra}]'" in result.stderr
        assert "Traceback" not in result.stderr


def test_bundles_are_verified_and_inspected_without_torch(agent_bin: Path, tmp_path: Path) -> None:
    bundle = str(ROOT / "simulator" / "demo" / "demo.bundle")
    for command in ("verify", "inspect"):
        result = run(agent_bin, "kardus-export", command, bundle, cwd=tmp_path)
        assert result.returncode == 0, result.stderr

"""The agent installed alone, as on a camera's box: no torch, small, and the demo runs from the wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
LIMIT_MB = 380
CONFIG = """
[agent]
site = "s"
name = "box"
data_dir = "data"
[model]
bundle = "{bundle}"
trust = ["{key}"]
[mqtt]
port = 9
[[cameras]]
name = "rack"
source = {{ type = "folder", path = "." }}
interval_s = 0
[[cameras.locations]]
id = "A-1"
corners = [[10, 10], [200, 10], [200, 300], [10, 300]]
"""
RUN = """
import sys
from pathlib import Path
from edge_agent.agent import Agent
from edge_agent.config import load_config
import edge_agent.cli.main
path = Path(sys.argv[1])
Agent(load_config(path), path).run()
rooms = ("warehouse", "simulator", "train", "export")
print(sorted(name for name in sys.modules if name.split(".")[0] in rooms))
"""
"""The agent runs to the end of its pictures; then the modules that it has loaded of other sides are told."""
HEAVY = ("torch", "torchvision", "onnx", "lightning_fabric")


def _installed(folder: Path, extra: str) -> Path:
    """The programs of a fresh environment with one extra, as `make demo` installs it (deploy/environment.sh)."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    install.append("--no-compile")
    # pip builds in the source folder: give it a clean copy, so that the wheel has what a stranger's would have
    source = folder.parent / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    for room in ("kardus", "edge_agent", "warehouse", "simulator", "train", "export"):
        shutil.copytree(ROOT / room, source / room, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", source)
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), f"{source}[{extra}]"], check=True, timeout=280)
    return folder / "bin"


@pytest.fixture(scope="module")
def agent_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` installs."""
    return _installed(tmp_path_factory.mktemp("demo") / "venv", "demo")


@pytest.mark.parametrize(
    ("extra", "command", "others"),
    [
        ("warehouse", "kardus-wms", ("onnxruntime", "av", "prometheus_client", "torch", "amqtt")),
        ("agent", "kardus-agent", ("jinja2", "standardwebhooks", "torch", "amqtt")),
    ],
)
def test_each_side_runs_without_the_other_s_libraries(
    tmp_path: Path, extra: str, command: str, others: tuple[str, ...]
) -> None:
    programs = _installed(tmp_path / "venv", extra)
    for module in others:
        asked = _run(programs, "python", "-c", f"import {module}", cwd=tmp_path)
        assert f"No module named '{module}'" in asked.stderr
    if extra == "warehouse":
        (tmp_path / "events.sqlite").touch()
        for words in (("expect", "--help"), ("receive", "--help"), ("authority", "--help")):
            assert _run(programs, command, *words, cwd=tmp_path).returncode == 0
        listed = _run(programs, command, "report", "--sqlite", "events.sqlite", "--html", "list.html", cwd=tmp_path)
        assert listed.returncode == 1, "an empty file is no database, and is said to be none"
        assert "Traceback" not in listed.stderr
        other = _run(programs, "kardus-agent", "--help", cwd=tmp_path)
        assert other.returncode == 2
        assert "pip install 'kardus[agent]'" in other.stderr
    else:
        bundle = ROOT / "simulator" / "demo" / "demo.bundle"
        config = tmp_path / "agent.toml"
        Image.new("RGB", (640, 480), (90, 120, 150)).save(tmp_path / "now.png")
        config.write_text(CONFIG.format(bundle=bundle, key=bundle.with_suffix(".pub").read_text().strip()))
        ran = _run(programs, "python", "-c", RUN, str(config), cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.strip().splitlines()[-1] == "[]"


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

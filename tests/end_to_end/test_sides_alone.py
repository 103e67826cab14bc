"""Each side installed alone: the warehouse's without the agent's libraries, the agent's without the warehouse's."""

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Once
from tests.end_to_end.environments import ROOT, build_wheel, install, link, run

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


BUNDLE = ROOT / "simulator" / "demo" / "demo.bundle"
LIMIT_MB = 330
"""What the agent's environment may take on a box's disk."""


def _refuses(programs: Path, modules: tuple[str, ...], folder: Path) -> None:
    tried = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    assert run(programs, "python", "-c", tried, *modules, cwd=folder).stdout.strip() == "[]"


@pytest.mark.parametrize("make", [link, pytest.param(install, marks=pytest.mark.slow)])
def test_the_warehouse_s_side_runs_without_the_agent_s_libraries(
    tmp_path: Path, once: Once, make: Callable[[Path, Path, str], Path]
) -> None:
    programs = make(once("wheel", build_wheel), tmp_path / "venv", "warehouse")
    _refuses(programs, ("onnxruntime", "av", "prometheus_client", "torch", "onnx", "amqtt"), tmp_path)
    (tmp_path / "events.sqlite").touch()
    for words in (("expect", "--help"), ("receive", "--help"), ("authority", "--help")):
        assert run(programs, "kardus-wms", *words, cwd=tmp_path).returncode == 0
    listed = run(programs, "kardus-wms", "report", "--sqlite", "events.sqlite", "--html", "list.html", cwd=tmp_path)
    assert listed.returncode == 1, "an empty file is no database, and is said to be none"
    assert "Traceback" not in listed.stderr
    other = run(programs, "kardus-agent", "--help", cwd=tmp_path)
    assert other.returncode == 2
    assert "pip install 'kardus[agent]'" in other.stderr


@pytest.fixture(scope="module")
def agent_alone(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Path:
    """The programs of an environment with the agent alone, as on a camera's box."""
    return link(once("wheel", build_wheel), tmp_path_factory.mktemp("agent") / "venv", "agent")


@pytest.mark.slow
def test_the_agent_is_small_and_runs_as_pip_installs_it(tmp_path: Path, once: Once) -> None:
    programs = install(once("wheel", build_wheel), tmp_path / "venv", "agent")
    total = sum(path.lstat().st_blocks * 512 for path in programs.parent.rglob("*"))
    assert total / 1e6 <= LIMIT_MB
    _runs_alone(programs, tmp_path)


def test_the_agent_runs_without_other_sides_libraries(agent_alone: Path, tmp_path: Path) -> None:
    _runs_alone(agent_alone, tmp_path)


def _runs_alone(programs: Path, tmp_path: Path) -> None:
    others = ("torch", "torchvision", "onnx", "lightning_fabric", "jinja2", "standardwebhooks", "amqtt")
    _refuses(programs, others, tmp_path)
    config = tmp_path / "agent.toml"
    Image.new("RGB", (640, 480), (90, 120, 150)).save(tmp_path / "now.png")
    config.write_text(CONFIG.format(bundle=BUNDLE, key=BUNDLE.with_suffix(".pub").read_text().strip()))
    ran = run(programs, "python", "-c", RUN, str(config), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().splitlines()[-1] == "[]"


def test_a_command_that_needs_torch_says_what_to_install(agent_alone: Path, tmp_path: Path) -> None:
    for words, extra in (
        (("kardus-train", "fit", "photos", "--out", "run"), "train"),
        (("kardus-export", "build", "r", "--out", "r.bundle"), "export"),
    ):
        result = run(agent_alone, *words, cwd=tmp_path)
        assert result.returncode == 2
        assert f"pip install 'kardus[{extra}]'" in result.stderr
        assert "Traceback" not in result.stderr


def test_bundles_are_verified_and_inspected_without_torch(agent_alone: Path, tmp_path: Path) -> None:
    for command in ("verify", "inspect"):
        result = run(agent_alone, "kardus-export", command, str(BUNDLE), cwd=tmp_path)
        assert result.returncode == 0, result.stderr


def test_the_wheel_has_what_the_demo_needs(once: Once) -> None:
    wheel = next(once("wheel", build_wheel).glob("kardus-*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.check_output(
        ["git", "ls-files", "simulator", "warehouse/report", "train"], cwd=ROOT, text=True
    )
    assert set(tracked.splitlines()) <= names

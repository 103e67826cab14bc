"""Each side installed alone: the warehouse's without the agent's libraries, the agent's without the warehouse's."""

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Once
from tests.end_to_end.environments import ROOT, build_wheel, install, run

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


@pytest.mark.parametrize(
    ("extra", "command", "others"),
    [
        ("warehouse", "kardus-wms", ("onnxruntime", "av", "prometheus_client", "torch", "amqtt")),
        ("agent", "kardus-agent", ("jinja2", "standardwebhooks", "torch", "amqtt")),
    ],
)
def test_each_side_runs_without_the_other_s_libraries(
    tmp_path: Path, once: Once, extra: str, command: str, others: tuple[str, ...]
) -> None:
    programs = install(once("wheel", build_wheel), tmp_path / "venv", extra)
    for module in others:
        asked = run(programs, "python", "-c", f"import {module}", cwd=tmp_path)
        assert f"No module named '{module}'" in asked.stderr
    if extra == "warehouse":
        (tmp_path / "events.sqlite").touch()
        for words in (("expect", "--help"), ("receive", "--help"), ("authority", "--help")):
            assert run(programs, command, *words, cwd=tmp_path).returncode == 0
        listed = run(programs, command, "report", "--sqlite", "events.sqlite", "--html", "list.html", cwd=tmp_path)
        assert listed.returncode == 1, "an empty file is no database, and is said to be none"
        assert "Traceback" not in listed.stderr
        other = run(programs, "kardus-agent", "--help", cwd=tmp_path)
        assert other.returncode == 2
        assert "pip install 'kardus[agent]'" in other.stderr
    else:
        bundle = ROOT / "simulator" / "demo" / "demo.bundle"
        config = tmp_path / "agent.toml"
        Image.new("RGB", (640, 480), (90, 120, 150)).save(tmp_path / "now.png")
        config.write_text(CONFIG.format(bundle=bundle, key=bundle.with_suffix(".pub").read_text().strip()))
        ran = run(programs, "python", "-c", RUN, str(config), cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.strip().splitlines()[-1] == "[]"

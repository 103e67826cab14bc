"""Nothing leaves the box: no file in the home, no name looked up, no packet but the broker's."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import drawn_stock, still_frames, write_config
from tests.conftest import BIN
from tests.faults.sniffing import Sniffer, bare_environment, broker_at, watched
from tests.patience import PATIENCE_S

RUN = """
import sys
from pathlib import Path
from edge_agent.agent import Agent
from edge_agent.config import load_config
path = Path(sys.argv[1])
Agent(load_config(path), path).run()
"""
"""The agent, to the end of its pictures."""


def _config(folder: Path, host: str, port: int) -> Path:
    still_frames(folder / "frames", [drawn_stock(3)], each=4)
    config = write_config(folder, port, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), 'type = "folder", path = "frames"')
    config.write_text(config.read_text().replace('host = "127.0.0.1"', f'host = "{host}"'))
    return config


@pytest.mark.parametrize("command", ["agent", "check", "verify", "charts"])  # build, convert: tests/export
def test_no_command_leaves_a_file_in_the_home(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = {
        "agent": [sys.executable, "-c", RUN, str(_config(tmp_path, "127.0.0.1", free_port()))],
        "check": [str(BIN / "kardus-agent"), "check", str(_config(tmp_path, "127.0.0.1", free_port()))],
        "verify": [str(BIN / "kardus-export"), "verify", str(DEMO_BUNDLE)],
        "charts": [sys.executable, "-c", "import train.pyplot"],  # of `fit` and `evaluate`
    }[command]
    done = subprocess.run(words, cwd=tmp_path, env=bare_environment(home), capture_output=True, text=True, check=False)
    assert done.returncode in ((0, 1) if command == "check" else (0,)), done.stderr  # there is no broker to be found
    assert not [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]


WATCHED = """
import importlib, importlib.abc, os, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            print(*(os.environ.get(variable) for variable in sys.argv[3:]), flush=True)
            os._exit(0)  # what the module imports then (torch among it) is of no concern

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""
"""Says what the variables are when a library is to be imported, and ends there."""
OFF = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
FIRST = {
    "export.quantise": "onnxruntime",
    "export.bench": "onnxruntime",
    "export.fp16": "onnxruntime",
    "kardus.inference.classifier": "onnxruntime",
    "edge_agent.agent": "onnxruntime",
    "train.networks.carton": "torch",
    "train.fitting.fit": "torch",
}
"""Modules that may be a program's first, and the library that they come to."""


@pytest.mark.parametrize("module", FIRST)
def test_telemetry_is_off_before_a_library_is_imported_whatever_module_comes_first(tmp_path: Path, module: str) -> None:
    words = [sys.executable, "-c", WATCHED, module, FIRST[module], *OFF]
    done = subprocess.run(words, env=bare_environment(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]


def test_what_the_environment_says_of_telemetry_holds(tmp_path: Path) -> None:
    said = "import os, kardus; print(os.environ['DO_NOT_TRACK'])"
    environment = bare_environment(tmp_path) | {"DO_NOT_TRACK": "0"}
    done = subprocess.run([sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


@pytest.mark.root
def test_the_agent_talks_to_its_broker_and_to_nobody_else(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    with watched(port) as (cable, sniffer), broker_at(tmp_path, cable.here, port):
        words = [*cable.prefix, sys.executable, "-c", RUN, str(_config(tmp_path, cable.here, port))]
        environment = bare_environment(home)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        asking = "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))"
        seen_before = list(sniffer.strange)
        subprocess.run([*cable.prefix, sys.executable, "-c", asking], env=environment, check=True)
        _wait_until_seen(sniffer, len(seen_before) + 1)
    assert done.returncode == 0, done.stderr
    assert sniffer.expected > 10
    assert seen_before == []
    assert sniffer.strange == ["17 to 192.0.2.1:9"], "what does leave is seen"


BROWSE = """
import threading
from simulator.demo.browser import program, run_browser
with run_browser(program()) as browser:
    browser.picture("data:text/html,a page", {}, 120, 80)
    threading.Event().wait(3)  # it asks for its maker's servers while it starts, and a little later
"""


@pytest.mark.root
def test_the_demo_s_browser_asks_for_no_name(tmp_path: Path) -> None:
    with watched() as (cable, sniffer):
        words = [*cable.prefix, sys.executable, "-c", BROWSE]
        subprocess.run(words, env=bare_environment(tmp_path), capture_output=True, check=True)
        assert sniffer.strange == []


def _wait_until_seen(sniffer: Sniffer, count: int) -> None:
    waiter = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if len(sniffer.strange) >= count:
            return
        waiter.wait(0.05)

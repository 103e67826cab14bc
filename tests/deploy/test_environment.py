"""The environment that the Makefile makes."""

import json
import os
import re
import signal
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.conftest import BIN
from tests.deploy.byte_code import without_byte_code
from tests.end_to_end.environments import needed
from tests.patience import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
COMMANDS = ("edge_agent.cli.main", "warehouse.cli.main", "simulator.demo.play", "edge_agent.camera.http.snapshot")


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


STAND_IN = """#!/bin/sh
# A Python whose pip installs nothing: it says what it was asked for, and stays where it is told.
stay() { case "$STAYS" in "$1") echo $$ >>"$SAID/staying"; exec sleep 600 ;; esac; }
case "$*" in
    "-c "*) ;;
    *"-m venv"*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
    *"m ensurepip"*) [ "$HAS_ENSUREPIP" = yes ] && touch "$SAID/has_pip" ;;
    *"pip --python"*--version) [ "$PIP" = outside ] ;;
    *"-m pip --version") [ -e "$SAID/has_pip" ] ;;
    *"--target "*)
        while [ "$1" != --target ]; do shift; done
        # as pip: what is there stays as it is, and that is no error
        [ -e "$2/hatchling" ] || { mkdir -p "$2/hatchling"; stay build; touch "$2/hatchling/build.py"; } ;;
    *--no-deps*) stay packages ;;
    *--no-build-isolation*)
        stay last
        [ "$BUILDS" = yes ] && [ -e "$PYTHONPATH/hatchling/build.py" ] && echo kardus >>"$SAID/installed" ;;
    *"-m pip"*" -e "*) echo kardus, with a build of its own >>"$SAID/installed" ;;
esac
"""


def _beginning(folder: Path, kind: str = "demo", **told: str) -> "subprocess.Popen[str]":
    """The script with the stand-in, and with stand-ins for what `dev` would have Debian install, in its own group."""
    stand_ins = {"python-stand-in": STAND_IN, "apt-get": "#!/bin/sh\n", "id": "#!/bin/sh\necho 0\n"}
    for name, text in stand_ins.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    as_always = {"STAYS": "", "PIP": "outside", "BUILDS": "yes", "HAS_ENSUREPIP": "yes", "SAID": str(folder)}
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.Popen(
        # whoever runs the tests may ignore a signal, as `nohup` does
        ["env", "--default-signal", "sh", "deploy/environment.sh", folder / "an env", kind],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "PYTHON": str(folder / "python-stand-in"), **as_always, **told},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _made(folder: Path, kind: str = "demo", **told: str) -> tuple[int, str]:
    """How it ends, and what it says of that."""
    making = _beginning(folder, kind, **told)
    _, said = making.communicate(timeout=PATIENCE_S)
    return making.returncode, said


def _interrupted(folder: Path, number: signal.Signals, stays: str) -> int:
    """Everything of it, as Ctrl-C does, once a pip is in the middle of something; how the script ends."""
    making = _beginning(folder, STAYS=stays)
    wait_until((folder / "staying").exists, "no pip was asked for that")
    os.killpg(making.pid, number)
    making.communicate(timeout=PATIENCE_S)
    return making.returncode


def _installed(folder: Path) -> list[str]:
    return (folder / "installed").read_text().splitlines() if (folder / "installed").exists() else []


def test_an_environment_whose_making_was_killed_is_made_the_next_time(tmp_path: Path) -> None:
    """What it has of the build's packages is half of them."""
    assert _interrupted(tmp_path, signal.SIGKILL, "build") == -signal.SIGKILL
    assert list((tmp_path / "an env").rglob("hatchling"))
    assert _made(tmp_path) == (0, "")
    assert _installed(tmp_path) == ["kardus"]
    assert sorted(path.name for path in (tmp_path / "an env").iterdir()) == ["bin", "installed"]


@pytest.mark.parametrize("stays", ["build", "packages", "last"])
def test_ctrl_c_while_an_environment_is_made_ends_all_of_it(tmp_path: Path, stays: str) -> None:
    """A pip that goes on by itself would install into what the next command makes."""
    code = _interrupted(tmp_path, signal.SIGINT, stays)
    staying = [int(line) for line in (tmp_path / "staying").read_text().split()]
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in staying), "a pip goes on")
    assert [path.name for path in (tmp_path / "an env").iterdir()] == ["bin"]
    assert not _installed(tmp_path)
    assert code == 128 + signal.SIGINT


def test_where_kardus_cannot_be_built_with_what_is_there_pip_sees_to_it(tmp_path: Path) -> None:
    assert _made(tmp_path, BUILDS="no") == (0, "")
    assert _installed(tmp_path) == ["kardus, with a build of its own"]


@pytest.mark.parametrize(("kind", "pip"), [("demo", "none"), ("dev", "outside")])
def test_an_environment_that_was_left_without_pip_gets_it(tmp_path: Path, kind: str, pip: str) -> None:
    code, said = _made(tmp_path, kind, PIP=pip, HAS_ENSUREPIP="no")
    assert code == 1
    assert said.splitlines()[-1] == (
        f"error: pip could not be put into {tmp_path / 'an env'}: make room, check its rights, or install python3-pip; "
        "then this command again"
    )
    assert _made(tmp_path, kind, PIP=pip)[0] == 0
    assert len(_installed(tmp_path)) == 1

"""Environments as a user makes them: empty, with the project's wheel and one of its extras."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def build_wheel(folder: Path) -> None:
    """Put the wheel of the working tree into a folder."""
    # pip builds in the source folder: give it a clean copy, so that the wheel has what a stranger's would have
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    for room in ("kardus", "edge_agent", "warehouse", "simulator", "train", "export"):
        shutil.copytree(ROOT / room, source / room, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", source)
    subprocess.run([*_PIP, "wheel", "-q", "--no-deps", "-w", str(folder), str(source)], check=True, timeout=PATIENCE_S)


def install(wheels: Path, folder: Path, extra: str) -> Path:
    """The folder of the programs of a fresh environment with one extra, as deploy/environment.sh makes it."""
    wheel = next(wheels.glob("kardus-*.whl"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    into = ["--python", str(folder / "bin" / "python"), "install", "-q", "--no-compile"]
    what = ["-c", str(ROOT / "constraints.txt"), f"{wheel}[{extra}]"]
    subprocess.run([*_PIP, *into, *what], check=True, timeout=2 * PATIENCE_S)
    return folder / "bin"


def run(programs: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One of the programs, to its end."""
    command = [str(programs / words[0]), *words[1:]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=5 * PATIENCE_S)


_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

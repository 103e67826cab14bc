"""Real npm packages for slow tests: what others read our messages and documents with, and brokers."""

import subprocess
from pathlib import Path

import pytest


def run_node(folder: Path, script: str, *arguments: str, packages: tuple[str, ...], timeout_s: float = 240) -> str:
    """Install packages of a stated version (`name@1.2.3`) in a folder, run a module there, return what it prints."""
    path = install(folder, script, packages)
    done = subprocess.run(
        ["node", path.name, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=timeout_s
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(folder: Path, script: str, packages: tuple[str, ...]) -> Path:
    """The module, beside the packages that it imports."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n', encoding="utf-8")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.fail("npm is not installed: apt-get install npm, then run the tests again")
    assert done.returncode == 0, done.stderr
    path = folder / "main.mjs"
    path.write_text(script, encoding="utf-8")
    return path

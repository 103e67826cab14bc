"""Environments as a user makes them: empty, with the project's wheel and one of its extras."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

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


def link(wheels: Path, folder: Path, extra: str) -> Path:
    """As `install`, in a tenth of the time and without an index: what the extra needs is linked from the tests' own.

    Raises:
        PackageNotFoundError: the tests' environment lacks a package that the extra needs.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(next(wheels.glob("kardus-*.whl"))) as wheel:
        wheel.extractall(site)
    (kardus,) = distributions(path=[str(site)])
    for found in needed(kardus, {extra}):
        for top in {Path(file).parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():  # two may share a folder
                (site / top).symlink_to(str(found.locate_file(top)))
    for entry in kardus.entry_points:
        program = folder / "bin" / entry.name
        program.write_text(f"#!{folder}/bin/python\nfrom {entry.module} import {entry.attr}\n{entry.attr}()\n")
        program.chmod(0o755)
    return folder / "bin"


def needed(package: Distribution, extras: set[str]) -> list[Distribution]:
    """What a package needs with these extras, and what that needs; extras of its own are taken for another extra's."""
    found: dict[str, Distribution] = {}
    waiting = [(package, extras)]
    while waiting:
        at, chosen = waiting.pop()
        for wanted in map(Requirement, at.requires or ()):
            if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in {"", *chosen}):
                continue
            own = wanted.name == package.name
            other = package if own else distribution(wanted.name)
            if own or wanted.name not in found:
                waiting.append((other, set(wanted.extras)))
            if not own:
                found[wanted.name] = other
    return list(found.values())


def run(programs: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One of the programs, to its end."""
    command = [str(programs / words[0]), *words[1:]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=5 * PATIENCE_S)


_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

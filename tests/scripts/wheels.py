"""Asks the package index for a wheel of every pinned base dependency: `python -m tests.scripts.wheels`.

For aarch64 (64-bit Arm boxes) and x86-64, CPython 3.11 to 3.13.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

from tests.scripts.licences import base_packages

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("aarch64", "x86_64")
GLIBC = (17, 24, 26, 27, 28, 31, 34)
"""Minor versions of glibc 2 that wheels are tagged with; Debian 12 has 36."""


def pinned() -> list[str]:
    """NAME==VERSION of every package that the base installation brings."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    versions = {Requirement(line).name.lower().replace("_", "-"): line for line in lines}
    return [versions[name] for name in base_packages()]


def without_wheel(requirements: Sequence[str], python: str, machine: str) -> list[str]:
    """Those of which pip finds no wheel, which it needs not build: asked of all at once, of each where some lack."""
    if not requirements or _can_be_installed(requirements, python, machine):
        return []
    if len(requirements) == 1:
        return [*requirements]
    halves = requirements[: len(requirements) // 2], requirements[len(requirements) // 2 :]
    return [each for half in halves for each in without_wheel(half, python, machine)]


def _can_be_installed(requirements: Sequence[str], python: str, machine: str) -> bool:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)] + [f"manylinux2014_{machine}"]
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--only-binary=:all:"]
    words += ["--target", "nowhere", "--python-version", python, "--implementation", "cp"]
    words += [word for platform in platforms for word in ("--platform", platform)]
    return subprocess.run([*words, *requirements], capture_output=True, check=False).returncode == 0


def lacking() -> list[str]:
    """What has no wheel."""
    return [
        f"{requirement}: CPython {python}, {machine}"
        for python in PYTHONS
        for machine in MACHINES
        for requirement in without_wheel(pinned(), python, machine)
    ]


def main() -> None:
    """Print what lacks a wheel; exit code 1 where something does."""
    missing = lacking()
    count = len(pinned()) * len(PYTHONS) * len(MACHINES)
    print(f"{count - len(missing)} of {count} wheels found ({len(pinned())} packages, CPython {', '.join(PYTHONS)}, ")
    print(f"{' and '.join(MACHINES)})", *(f"lacking: {each}" for each in missing), sep="\n")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()

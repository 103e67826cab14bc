"""Asks the package index for a wheel of every pinned base dependency: `python -m tests.scripts.wheels`.

For aarch64 (64-bit Arm boxes) and x86-64, CPython 3.11 to 3.13. Prints the table of docs/dependencies.md.
"""

import subprocess
import sys
import tempfile
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


def has_wheel(requirement: str, python: str, machine: str) -> bool:
    """Whether pip finds a wheel, which it needs not build."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)] + [f"manylinux2014_{machine}"]
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        words += ["--dest", folder, "--python-version", python, "--implementation", "cp"]
        for platform in platforms:
            words += ["--platform", platform]
        return subprocess.run([*words, requirement], capture_output=True, check=False).returncode == 0


def lacking() -> list[str]:
    """What has no wheel."""
    return [
        f"{requirement}: CPython {python}, {machine}"
        for requirement in pinned()
        for python in PYTHONS
        for machine in MACHINES
        if not has_wheel(requirement, python, machine)
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

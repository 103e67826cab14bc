"""The set-up script says in one line what is missing."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _set_up(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    fake = folder / "python"
    fake.write_text(f"#!/bin/sh\n{python}\n")
    fake.chmod(0o755)
    return subprocess.run(
        ["sh", "deploy/environment.sh", str(folder / "venv"), "agent"],
        cwd=ROOT,
        env={**os.environ, "PYTHON": str(fake)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    result = _set_up(tmp_path, 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    assert result.returncode == 1
    assert result.stderr.strip().startswith("error: Python 3.9.2 is too old: install Python 3.11 or newer")
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all_is_named(tmp_path: Path) -> None:
    result = subprocess.run(
        ["sh", "deploy/environment.sh", str(tmp_path / "venv"), "agent"],
        cwd=ROOT,
        env={**os.environ, "PYTHON": "python-that-is-not-there"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "install Python 3.11 or newer" in result.stderr


def test_the_constraints_pin_versions_and_name_no_address() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line and "@" not in line for line in lines)
    pinned = {line.split("==")[0] for line in lines}
    assert {"onnxruntime", "numpy", "pillow", "paho-mqtt", "onnx"} <= pinned
    assert not {"torch", "torchvision"} & pinned  # pip chooses the pair that fits the machine


PROGRAMS = ("ruff", "mypy", "lint-imports", "python")


def _made(folder: Path, target: str, failing: str = "") -> subprocess.CompletedProcess[str]:
    """`make` of the project's Makefile where every program only says its name; `failing` ends with 1."""
    for name in PROGRAMS:
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\necho "ran {name} $*"\ncase "{name} $*" in *"{failing or "nothing"}"*) exit 1 ;; esac\n'
        )
        program.chmod(0o755)
    words = ["make", "-f", ROOT / "Makefile", "-o", ".venv/installed", f"DEV={folder / 'bin'}", target]
    return subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False)


def _ran(result: subprocess.CompletedProcess[str]) -> set[str]:
    return {line for line in result.stdout.splitlines() if line.startswith("ran ")}


def test_make_test_runs_all_of_make_check_and_the_tests(tmp_path: Path) -> None:
    checked, tested = _made(tmp_path, "check"), _made(tmp_path, "test")
    assert (checked.returncode, tested.returncode) == (0, 0), checked.stderr + tested.stderr
    assert len(_ran(checked)) == 5
    (more,) = _ran(tested) - _ran(checked)
    assert "-m pytest" in more
    assert _ran(checked) < _ran(tested)


@pytest.mark.parametrize("failing", ["ruff check", "lint-imports", "mypy", "scripts.audit", "-m pytest"])
def test_make_test_fails_where_any_of_it_fails_and_says_what_was_beside_it(tmp_path: Path, failing: str) -> None:
    result = _made(tmp_path, "test", failing)
    assert result.returncode != 0
    assert failing in "".join(_ran(result))

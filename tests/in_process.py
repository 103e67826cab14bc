"""Runs a command of the project in the tests' own process: as a user would, without waiting for torch each time."""

import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kardus.support.console import err, out


def call(
    capsys: pytest.CaptureFixture[str], main: Callable[[], None], *words: object, columns: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `main` with these words as its command line; whatever it doesn't turn into an exit code is raised.

    `columns` is how wide its terminal is; None: as wide as that of the tests.
    """
    capsys.readouterr()
    code, root = 0, logging.getLogger()
    handlers = list(root.handlers)
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kardus", *map(str, words)])
        for console in (out, err) if columns else ():
            patch.setattr(console, "_width", columns)
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        finally:  # the command's own would write to what pytest has closed by then
            root.handlers[:] = handlers
            for number, handler in signals.items():
                signal.signal(number, handler)
    captured = capsys.readouterr()
    return subprocess.CompletedProcess([str(word) for word in words], code, captured.out, captured.err)


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, *parts: object) -> None:
    """The command failed with this exit code, and its only line on stderr holds these parts."""
    assert result.returncode == code, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in lines[0]
    for part in parts:
        assert str(part) in lines[0]


def assert_nothing_written(folder: Path, out: Path) -> None:
    """The output isn't there, or is an empty folder; and no half-written file lies anywhere below `folder`."""
    assert not out.is_file()
    assert not out.exists() or not list(out.rglob("*"))
    assert not list(folder.rglob("*.part"))

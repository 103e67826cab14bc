"""An interrupted command says how to go on to whoever reads it, and ends with the same code where nobody does."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kardus.support.console import with_resume_hint
from kardus.support.files import write_whole
from tests.patience import PATIENCE_S

WORK = r"""
import os, time
from kardus.support.console import err, new_app, run_app, with_resume_hint

app = new_app("Work.")


@app.command()
def work(what: str) -> None:
    with with_resume_hint(), err.status("Working"):
        os.write(1, b"working\n")  # rich has what is printed beside its status go to the terminal
        time.sleep(30)


@app.command()
def rest() -> None:
    pass


run_app(app)
"""
HEEDED = ("env", "--default-signal")
"""Whoever runs the tests may ignore a signal, as `nohup` does."""


def _interrupted(folder: Path, words: list[str], number: int, gone: str = "") -> tuple[int, str]:
    """Exit code, and what it said; `gone` is what closes before the signal comes: its terminal, or its pipe."""
    reader, writer = os.openpty() if gone == "terminal" else os.pipe()
    python_path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    command = subprocess.Popen(
        [*HEEDED, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=writer,
        env=os.environ | {"PYTHONPATH": python_path},
    )
    os.close(writer)
    assert command.stdout
    assert command.stdout.readline() == b"working\n"
    if gone:
        os.close(reader)
    command.send_signal(number)
    code = command.wait(PATIENCE_S)
    command.stdout.close()
    if gone:
        return code, ""
    with os.fdopen(reader) as said:
        return code, said.read()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a program, and a package within another one that runs as the same."""
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    for name in ("outer/__init__.py", "outer/inner/__init__.py"):
        (tmp_path / name).touch()
    for name in ("program.py", "outer/inner/__main__.py"):
        (tmp_path / name).write_text(WORK)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("gone", ["terminal", "pipe"])
def test_what_ends_a_command_is_its_exit_code_where_nobody_reads_it(
    program: Path, number: signal.Signals, gone: str
) -> None:
    code, _ = _interrupted(program, [sys.executable, "program.py", "work", "a"], number, gone)
    assert code == 128 + number


@pytest.mark.parametrize(
    ("run", "typed"),
    [
        (("program.py",), ("program.py",)),
        (("-X", "utf8", "-m", "outer.inner"), (sys.executable, "-X", "utf8", "-m", "outer.inner")),
        (("-mprogram",), (sys.executable, "-mprogram")),
    ],
)
def test_the_command_that_begins_again_is_the_one_that_was_typed(
    program: Path, run: tuple[str, ...], typed: tuple[str, ...]
) -> None:
    code, said = _interrupted(program, [sys.executable, *run, "work", "a b"], signal.SIGINT)
    again = shlex.join([*typed, "work", "a b"])
    assert (code, said.splitlines()[-1]) == (130, f"interrupted: nothing was written; begin again with: {again}")


def _write_and_be_interrupted(made: Path) -> None:
    write_whole(made, b"after")
    raise KeyboardInterrupt


@pytest.mark.parametrize("was_there", [False, True])
def test_what_has_its_name_when_the_interrupt_comes_is_said_to_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, was_there: bool
) -> None:
    made = tmp_path / "x.bundle"
    if was_there:
        made.write_text("before")
    with pytest.raises(KeyboardInterrupt), with_resume_hint(made):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.startswith("interrupted: nothing was written; begin again with: ")
    with pytest.raises(KeyboardInterrupt), with_resume_hint(made):
        _write_and_be_interrupted(made)
    assert capsys.readouterr().err == f"interrupted: {made} was written by then, and is whole\n"


@pytest.mark.parametrize("command", ["edge_agent", "export", "train", "warehouse"])
def test_a_command_that_is_stopped_while_it_loads_ends_without_a_traceback(command: str, tmp_path: Path) -> None:
    """It stops itself in the middle: at the first module that its own room loads."""
    (tmp_path / "sitecustomize.py").write_text(STOPS_AT.format(room=command))
    words = [*HEEDED, sys.executable, "-m", command, "--version"]
    found = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ended = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONPATH": found}, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


STOPS_AT = """
import os, signal, sys


class Stop:
    def find_spec(self, name, *_):
        if name.startswith("{room}.cli"):
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Stop())
"""

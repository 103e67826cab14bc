"""Every command fails the same way: one line, an exit code, no traceback."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from kardus import __version__
from kardus.support.console import missing_extra, new_app, out, print_json, run_app, run_with_extra, table_of
from kardus.support.control_characters import escaped
from kardus.support.errors import BundleError, ConfigError, DataError, KardusError, UsageError
from tests.conftest import run_command
from tests.patience import PATIENCE_S

LATE = """
import typer
from kardus.support.console import out

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def late(loud: bool = False) -> None:
    "Be late."
    out.print("LATE" if loud else "late")
"""
PROGRAM = """
import sys

from kardus.support.console import new_app, run_app
from kardus.support.lazy_commands import lazy_group

app = new_app("Say.", lazy_group({"late": "late_command"}))
app.command("now")(lambda: print("late_command" in sys.modules))
run_app(app)
"""


def _app(error: BaseException | None) -> typer.Typer:
    app = new_app("A test.")

    @app.command()
    def work() -> None:
        if error:
            raise error
        print_json({"done": "ä"})

    return app


def _run(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["test", "work"])
    with pytest.raises(SystemExit) as stop:
        run_app(_app(error))
    return stop.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [(KardusError, 1), (DataError, 1), (BundleError, 1), (UsageError, 2), (ConfigError, 2)],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: type[KardusError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "/a/very/long/path/" + "x" * 150 + ": [red] is wrong: mend it"
    assert _run(error(text), monkeypatch) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {text}\n")


def test_a_full_disk_is_said_in_one_line_whatever_was_being_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(OSError(errno.ENOSPC, "No space left on device"), monkeypatch) == 1
    assert _run(OSError(errno.EDQUOT, "Disk quota exceeded", "runs/first"), monkeypatch) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: the disk of what is written, or of the temporary folder (TMPDIR): No space left on device: make room",
        "error: runs/first: Disk quota exceeded: make room",
    ]
    with pytest.raises(OSError, match="Permission denied"):
        _run(PermissionError(errno.EACCES, "Permission denied"), monkeypatch)
    with pytest.raises(OSError, match="Bad file"):
        _run(OSError(errno.EBADF, "Bad file descriptor"), monkeypatch)


def test_a_path_that_cannot_be_looked_at_is_said_in_one_line_whoever_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = Path("x" * 300) / "run"
    with pytest.raises(OSError, match="too long") as raised:
        long.exists()
    assert _run(raised.value, monkeypatch) == 2
    assert _run(PermissionError(errno.EACCES, "Permission denied", "/secret/run"), monkeypatch) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {long}: File name too long: name another file or folder",
        "error: /secret/run: Permission denied: correct its owner and rights, and those of the folders above it",
    ]


ENDED = """
import signal, sys, time
import typer
from kardus.support.console import new_app, run_app

app = new_app("Work.")


@app.command()
def work() -> None:
    try:
        print("working", flush=True)
        time.sleep(60)
    finally:
        print("tidied up", flush=True)


@app.command()
def rest() -> None:
    pass


signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["test", "work"]
run_app(app)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_command_lets_it_tidy_up_and_is_its_exit_code(number: signal.Signals) -> None:
    heeded = ("env", "--default-signal")  # whoever runs the tests may ignore a signal, as `nohup` does
    words = [*heeded, sys.executable, "-c", ENDED]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout
    assert program.stdout.readline() == "working\n"
    program.send_signal(number)
    assert program.communicate(timeout=PATIENCE_S) == ("tidied up\n", "")
    assert program.returncode == 128 + number


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(KeyboardInterrupt(), monkeypatch) == 130


def test_success_is_code_0_and_json_goes_to_the_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(None, monkeypatch) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {"done": "ä"}


def test_a_programming_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["test", "work"])
    with pytest.raises(ZeroDivisionError):
        run_app(_app(ZeroDivisionError()))


def test_a_missing_extra_is_named_with_the_way_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        missing_extra("kardus-train", "train", "torch")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: kardus-train needs torch, which is not installed: pip install '.[train]' in the")
    assert "where your package index has Kardus, pip install 'kardus[train]'" in said
    assert said.count("\n") == 1


def test_only_a_module_of_the_extra_is_said_to_be_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_an_extra.py").write_text("import not_there.nn\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run_with_extra("needs_an_extra", "kardus-train", "train", ("not_there",))
    assert stop.value.code == 2
    assert "needs not_there, which is not installed: pip install '.[train]' in" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run_with_extra("needs_an_extra", "kardus-train", "train", ("torch",))


STEERING = "Tea\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil"


def test_no_name_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out.print(STEERING, Text(STEERING, "bold"), table_of((STEERING,), [(STEERING,), (Text(STEERING),)], STEERING))
    shown = capsys.readouterr().out
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert shown.count("x1b]0;title") >= 4
    rows = [line for line in shown.splitlines() if line.startswith("│")]
    assert len({len(row) for row in rows}) == 1, "the columns are as wide as what is shown"


def test_json_holds_no_control_character_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({STEERING: STEERING})
    printed = capsys.readouterr().out
    assert not set(printed) & {"\x1b", "\x07", "\x9b"}
    assert json.loads(printed) == {STEERING: STEERING}


@given(st.text())
def test_what_is_escaped_stays_so_and_what_is_plain_stays_as_it_is(text: str) -> None:
    once = escaped(text)
    assert escaped(once) == once
    assert all(character.isprintable() or character in "\t\n" or ord(character) > 0x9F for character in once)


@pytest.mark.parametrize("command", ["kardus-agent", "kardus-wms", "kardus-train", "kardus-export"])
def test_every_command_says_its_version(command: str) -> None:
    assert run_command(command, "--version").stdout == f"kardus {__version__}\n"


def test_a_command_of_another_module_is_imported_when_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "late_command.py").write_text(LATE, encoding="utf-8")

    def said(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
        command = [sys.executable, "-c", PROGRAM, *words]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return run.stdout + run.stderr

    assert said("now") == "False\n"
    assert said("late", "--loud") == "LATE\n"
    assert "'late'?" in said("lite")
    assert re.search(r"late +Be late\.", said("--help"))

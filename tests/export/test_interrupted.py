"""Ctrl-C during a command that makes something: nothing is half written, and the line says how to begin again."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from export import cli
from export.__main__ import main
from simulator.demo.play import DEMO_BUNDLE
from tests.in_process import call

Capture = pytest.CaptureFixture[str]


def _interrupt(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


COMMANDS = (
    (("enroll", DEMO_BUNDLE, "photo.png", "--name", "a b", "--out", "x.bundle"), "enroll", "x.bundle"),
    (("retire", DEMO_BUNDLE, "new", "--out", "x.bundle"), "retire", "x.bundle"),
    (("convert", DEMO_BUNDLE, "--to", "openvino", "--out", "x"), "convert", "x"),
    (("answer", "asked", DEMO_BUNDLE), "answer_request", "asked/answer.json"),
)


@pytest.mark.parametrize(("command", "at"), [(command, at) for command, at, _ in COMMANDS])
def test_an_interrupted_command_says_how_it_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, command: tuple[Any, ...], at: str
) -> None:
    (tmp_path / "asked").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, at, _interrupt)
    done = call(capsys, main, *command)
    said = "no answer was written" if at == "answer_request" else "nothing was written"
    typed = shlex.join(map(str, ("kardus", *command)))  # `call` names the program so
    assert (done.returncode, done.stderr) == (130, f"interrupted: {said}; begin again with: {typed}\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["asked"]


@pytest.mark.parametrize(("command", "at", "made"), COMMANDS)
def test_one_that_has_written_everything_by_then_says_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, *, command: tuple[Any, ...], at: str, made: str
) -> None:
    def write(*_: Any, **__: Any) -> None:
        Path(made).touch()
        raise KeyboardInterrupt

    (tmp_path / "asked").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, at, write)
    done = call(capsys, main, *command)
    assert (done.returncode, done.stderr) == (130, f"interrupted: {made} was written by then, and is whole\n")

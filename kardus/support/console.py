"""What every Kardus command does the same way: errors in one line, exit codes, JSON."""

import errno
import gc
import importlib
import importlib.metadata
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperGroup

from kardus.support.control_characters import STEERING, escaped
from kardus.support.errors import KardusError
from kardus.support.file_stamp import file_stamp
from kardus.support.loading import loading


class HarmlessConsole(Console):
    """Shows names from outside as they are, and lets none of them steer the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every text that is printed comes this way."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escaped(segment.text))


class ErrorConsole(HarmlessConsole):
    """A command's exit code and what it does don't hang on a terminal that is gone: nobody reads what is said there."""

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._forget()

    def on_broken_pipe(self) -> None:
        """Whoever closed the pipe wants no more of it: the command ends.

        Raises:
            SystemExit: always.
        """
        self._forget()
        raise SystemExit(1)

    def _forget(self) -> None:
        """Also what Python still holds: flushed at the end in vain, it would make another exit code, 120."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


out = HarmlessConsole(markup=False)
"""Results, on the standard output. Without markup, so that names with brackets in them are shown as they are."""
err = ErrorConsole(stderr=True, markup=False)
"""Progress and errors."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk, or a user's share of it."""
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""A scheduler or `docker stop`, and a terminal that was closed (an SSH connection that broke)."""


def run_app(app: typer.Typer) -> None:
    """Run a command line.

    Exit code 0: done; 1: the work failed; 2: wrong use; 130: interrupted (by SIGTERM: 143; its terminal is gone: 129).
    """
    try:
        with _ending_as_interrupted():
            app()
    except KardusError as error:
        err.print(f"error: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:  # whatever was being written: all that is half done has been removed by now
        code, said = _file_error(error)
        err.print(f"error: {said}", style="red", highlight=False, soft_wrap=True)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)


def _file_error(error: OSError) -> tuple[int, str]:
    """Exit code and message of a full disk, an over-long name or missing rights; other errors are raised again."""
    if error.errno in FULL:
        where = error.filename or "the disk of what is written, or of the temporary folder (TMPDIR)"
        return 1, f"{where}: {error.strerror}: make room"
    if error.errno == errno.ENAMETOOLONG and error.filename:
        return 2, f"{error.filename}: {error.strerror}: name another file or folder"
    if error.errno == errno.EACCES and error.filename:
        return 1, f"{error.filename}: {error.strerror}: correct its owner and rights, and those of the folders above it"
    raise error


@contextmanager
def _ending_as_interrupted() -> Iterator[None]:
    """Signals of which nobody has said otherwise go the way of Ctrl-C, so that what is half done is tidied up.

    `nohup` has said otherwise, and services take them over themselves.
    """
    is_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in ENDING if is_main and signal.getsignal(number) is signal.SIG_DFL]
    ended: list[int] = []

    def end(number: int, _: FrameType | None) -> NoReturn:
        ended.append(number)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, end)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # typer makes the one of the other
        if ended:
            sys.exit(128 + ended[0])
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def with_resume_hint(made: Path | None = None, kept: str = "nothing was written; begin again with") -> Iterator[None]:
    """Where it is interrupted, say what is kept of the work, and the command that goes on with it, as it was typed.

    Args:
        made: the file or folder that the work gives its name to at the end, whole; it may be interrupted even then.
        kept: what is said before the command.
    """
    before = file_stamp(made) if made else None
    try:
        yield
    except KeyboardInterrupt:
        is_made = made is not None and file_stamp(made) != before
        said = f"{made} was written by then, and is whole" if is_made else f"{kept}: {shlex.join(typed_words())}"
        say_interrupted(f"interrupted: {said}")
        raise


def typed_words() -> list[str]:
    """The words of the command line; those before `-m` too, where Python was told to run a module."""
    run = getattr(sys.modules["__main__"], "__spec__", None)
    if run is None or run.origin != sys.argv[0]:
        return [Path(sys.argv[0]).name, *sys.argv[1:]]
    return [*sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1], *sys.argv[1:]]


def say_interrupted(text: str) -> None:
    """Say it if anybody reads it: that the command was interrupted goes on either way."""
    with suppress(OSError, SystemExit):
        err.print(text, highlight=False, soft_wrap=True)


@contextmanager
def without_collection() -> Iterator[None]:
    """While modules are imported: all that they make stays, and searching it for garbage is an eighth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run_with_extra(cli: str, command: str, extra: str, modules: Collection[str]) -> None:
    """Run a command line whose modules come with an extra; say in one line when that isn't installed.

    Args:
        cli: the module whose `app` is the command line.
        command: its name.
        extra: which of Kardus' extras it needs.
        modules: top-level modules that the extra brings.
    """
    try:
        with loading(), without_collection():
            commands = importlib.import_module(cli)
        run_app(commands.app)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in modules:
            raise
        missing_extra(command, extra, error.name)


def new_app(purpose: str, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A command group with the settings that all commands share."""
    app = typer.Typer(cls=cls, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback(help=purpose)(_common_options)
    return app


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        out.print(f"kardus {importlib.metadata.version('kardus')}", highlight=False)
        raise typer.Exit


def _common_options(
    _version: Annotated[  # noqa: FBT002 - typer: an option's default is the parameter's
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and end.")
    ] = False,
) -> None:
    """What every command takes."""


def print_json(content: Any, *, in_one_line: bool = False) -> None:
    """Write JSON for programs to the standard output; in one line it takes a twentieth of the time."""
    text = json.dumps(content, indent=None if in_one_line else 2, ensure_ascii=False)
    sys.stdout.write(STEERING.sub(_in_json, text) + "\n")


def _in_json(found: re.Match[str]) -> str:
    """What JSON lets through as it is, by the numbers of its one or two units in UTF-16."""
    units = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def print_result(content: Any, *shown: RenderableType, as_json: bool) -> None:
    """Write a result to the standard output: its JSON for programs, or what is shown to people."""
    if as_json:
        print_json(content)
    else:
        for part in shown:
            out.print(part)


def table_of(
    columns: Collection[str], rows: Iterable[Iterable[RenderableType]], title: str = "", numbers: Collection[str] = ()
) -> Table:
    """A table for people, as every command prints it; `numbers` are the columns that are aligned to the right."""
    headers = (Column(name, justify="right" if name in numbers else "left") for name in columns)
    table = Table(*headers, title=title or None, title_justify="left", show_header=bool(columns))
    for row in rows:
        table.add_row(*(_as_wide_as_shown(cell) for cell in row))
    return table


def _as_wide_as_shown(cell: RenderableType) -> RenderableType:
    """The width of a column is reckoned from what will be printed."""
    if isinstance(cell, str):
        return escaped(cell)
    return Text(escaped(cell.plain), cell.style) if isinstance(cell, Text) and not cell.spans else cell


def missing_extra(command: str, extra: str, module: str | None) -> NoReturn:
    """Say which extra a command lacks, and stop with exit code 2."""
    err.print(
        f"error: {command} needs {module}, which is not installed: pip install '.[{extra}]' in the folder of "
        f"Kardus' source, or, where your package index has Kardus, pip install 'kardus[{extra}]'",
        style="red",
        highlight=False,
        soft_wrap=True,
    )
    sys.exit(2)

"""Runs tests in a tree without starting Python anew: libraries are imported once, and every run is a fork.

A fork has the libraries of the process and nothing of the project's: the tree's modules are imported afresh each time.
"""

import contextlib
import importlib
import os
import re
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import BinaryIO

LIBRARIES = (
    "pytest",
    "hypothesis.strategies",
    "hypothesis.stateful",
    "numpy",
    "onnxruntime",
    "pydantic",
    "PIL.Image",
    "paho.mqtt.client",
    "jinja2",
    "av",
    "openpyxl",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "cryptography.hazmat.primitives.serialization",
    "httpx2",
    "rich.table",
    "standardwebhooks",
    "typer",
)
"""What most tests need, and what starts no thread when it is imported."""
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_USAGE_ERROR = 4
"""Of pytest: a file isn't there, or an option."""
OWN = ("edge_agent", "export", "kardus", "simulator", "tests", "train", "warehouse")
"""The project's packages."""


def import_libraries() -> None:
    """Once, before the first run."""
    for name in LIBRARIES:
        importlib.import_module(name)


def run_tests(tree: Path, files: list[str], timeout_s: float, options: list[str]) -> dict[str, object]:
    """Run a tree's tests up to the first that fails: outcome (killed, survived, timeout), which, how many ran, s."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if process == 0:
            _become_pytest(tree, [*OPTIONS, *options, *files], output)
        code = _exit_code(process, timeout_s)
        output.seek(0)
        text = output.read()
    if code == _USAGE_ERROR:
        raise RuntimeError(text.decode(errors="replace"))
    marks = re.findall(rb"^([.FEsx]+)", text, flags=re.MULTILINE)
    failed = re.findall(rb"^(?:FAILED|ERROR) (.*)", text, flags=re.MULTILINE)
    return {
        "outcome": "timeout" if code is None else "survived" if code == 0 else "killed",
        "failed": failed[0].decode(errors="replace")[:300] if failed else "",
        "tests": sum(map(len, marks)),
        "seconds": round(time.monotonic() - began_s, 1),
    }


def _become_pytest(tree: Path, arguments: list[str], output: BinaryIO) -> None:
    """Never returns. A session of its own, so that what the tests have started ends with it."""
    code = 70
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path.insert(0, str(tree))
        for name in [name for name in sys.modules if name.split(".", maxsplit=1)[0] in OWN]:
            del sys.modules[name]
        importlib.invalidate_caches()
        code = int(importlib.import_module("pytest").main(arguments))
    except BaseException:  # noqa: BLE001 - the outermost guard of a process that must not go on as its parent would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _exit_code(process: int, timeout_s: float) -> int | None:
    """None where it had to be ended."""
    handle = os.pidfd_open(process)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        ended = bool(poll.poll(timeout_s * 1000))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        return os.waitstatus_to_exitcode(status) if ended else None
    finally:
        os.close(handle)

"""Whatever command is run: no file in the home, no name looked up, no packet but to what it was told to reach."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from export.build import build
from simulator.demo.broker import free_port
from tests.faults.command_lines import LINES, command_of, every_command, made_folder, words_of
from tests.faults.networks import Cable
from tests.faults.sniffing import broker_at, run_all, watched

LONG_S = 1200.0
"""A guard. The study trains seven networks, on one core of a busy machine."""


def test_every_command_that_there_is_has_a_line_here() -> None:
    called = {command_of(line) for lines in LINES.values() for line in lines}
    assert called == set(every_command())


def test_a_line_calls_the_command_that_its_words_name_whatever_follows() -> None:
    assert command_of("kardus-wms users add list --role x") == "kardus-wms users add"
    assert command_of("kardus-export verify keys") == "kardus-export verify"


@pytest.mark.root
def test_a_command_that_waits_for_ever_is_named_with_what_it_said(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; print('asked', flush=True); time.sleep(60)"]
    with Cable() as cable, pytest.raises(pytest.fail.Exception) as failed:
        run_all([words], cable, tmp_path / "home", limit_s=2)
    assert str(failed.value) == f"{words} isn't done within 2 s: b'asked\\n' None"


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("room", LINES)
def test_no_command_asks_for_a_name_or_leaves_a_file_in_the_home(tmp_path: Path, run_folder: Path, room: str) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    if room == "bundles":
        build(run_folder, tmp_path / "portable.bundle", form="portable")
    with _told() as (web, told), watched(port, web) as (cable, sniffer), broker_at(tmp_path, cable.here, port):
        places = made_folder(tmp_path, cable.here, port, web)
        run_all([words_of(line, places) for line in LINES[room]], cable, home, limit_s=LONG_S)
        assert sniffer.strange == []
    reaches = {"warehouse": 100, "agent": 10}.get(room, 0)
    assert sniffer.expected >= reaches, "what may be reached was"
    assert len(told) == (3 if room == "warehouse" else 0), "every alert was told"


@contextmanager
def _told() -> Iterator[tuple[int, list[str]]]:
    """A web server of the site's own, to which `deliver` tells every alert; its port."""
    told: list[str] = []

    class Target(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("", 0), Target) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], told
        server.shutdown()

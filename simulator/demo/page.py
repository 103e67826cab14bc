"""The warehouse's side of the demo: what the agent says is stored, and the page shows it while the shelf plays."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kardus.support.errors import KardusError
from simulator.demo.broker import RunningBroker
from warehouse.store.database import require_site
from warehouse.store.opening import open_database

END_S = 10.0


@contextlib.contextmanager
def run_page(folder: Path, site: str, broker: RunningBroker, products: Path) -> Iterator[str]:
    """Run receiver and server over a file in `folder`; gives the address that lets in once.

    Raises:
        KardusError: the server doesn't start.
    """
    path = folder / "kardus.sqlite"
    with open_database(path, make=True) as database:
        require_site(database, site)
    common = ["--database", str(path), "--host", "127.0.0.1", "--port", str(broker.port)]
    page = ["--listen", "127.0.0.1:0", "--link", "--products", str(products)]
    with (
        _running("receive", *common, "--site", site),
        _running("serve", *common, *page) as server,
    ):
        yield _address(server)


def _address(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None  # noqa: S101 - it is a pipe
    for line in server.stdout:
        if line.startswith("open, once: "):
            return line.removeprefix("open, once: ").strip()
    raise KardusError("the page doesn't start: run `kardus-wms serve` by hand to see why, or the demo with --no-page")


@contextlib.contextmanager
def _running(*words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", "warehouse", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

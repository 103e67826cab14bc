"""The warehouse's side of the demo: what the agent says is stored, and the page shows it while the shelf plays."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from kardus.support.errors import KardusError
from simulator.demo.broker import RunningBroker
from simulator.demo.browser import program, run_browser
from warehouse.console.identity.people import add_person
from warehouse.console.identity.sessions import begin_session
from warehouse.console.pages.access import cookie_name
from warehouse.store.database import require_site
from warehouse.store.opening import open_database

END_S = 10.0


PHOTOGRAPHER = "demo"
"""Who the pictures of the page are taken as."""
WIDE, PHONE = (1280, 860), (412, 860)


@dataclass(frozen=True)
class RunningPage:
    """The page, while it is served."""

    link: str
    """The address that lets in once."""
    database: Path

    def pictures(self, rack: str) -> dict[str, bytes]:
        """The rack, and the work list on a phone, as PNG by their files' names; none where no browser is.

        Raises:
            KardusError: the browser or the page doesn't answer.
        """
        path = program()
        if path is None:
            return {}
        root = self.link.partition("/enter/")[0]
        with open_database(self.database, make=False) as database:
            cookies = {
                cookie_name(encrypted=False): begin_session(
                    database, add_person(database, PHOTOGRAPHER, "operator", "")
                )
            }
        with run_browser(path) as browser:
            return {
                "page-rack.png": browser.picture(f"{root}/rack?name={quote(rack)}", cookies, *WIDE),
                "page-work.png": browser.picture(f"{root}/work", cookies, *PHONE),
            }


@contextlib.contextmanager
def run_page(folder: Path, site: str, broker: RunningBroker, products: Path) -> Iterator[RunningPage]:
    """Run receiver and server over a file in `folder`.

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
        yield RunningPage(_link(server), path)


def _link(server: "subprocess.Popen[str]") -> str:
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

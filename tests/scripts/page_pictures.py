"""The page's pictures in the docs, made anew: python -m tests.scripts.page_pictures FOLDER [NAME ...].

The demo plays its first shelf and stands still at the end; a browser enters by the link that the demo prints, and
takes the rack and the camera's view as they are at a desk, and the work list on a dark phone, in Indonesian. The page
for laying out shows the labelled rack of its own tests, through a real broker and agent. What the demo hasn't lived
through (a month's trends, pictures to label, a model on its way) is filled into a store: page_scenes.py. Of FOLDER's
pictures those are made that are named behind it, or all.
"""

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.brokers import Mosquitto
from tests.scripts.page_scenes import month
from tests.warehouse.console.browsing import PHONE, running_browser, visiting
from tests.warehouse.console.test_commission_page import labelled_site, open_laying_out
from warehouse.console.identity.roles import Role
from warehouse.store.opening import open_database

STAYS_S = 90
TASKS = 6
"""The demo's seven faults come to so many tasks: two cartons that stand in each other's place are one."""
PATIENCE_MS = 120_000
PICTURES_MS = 2_000
"""Until the pictures that come into view have come."""


@dataclass(frozen=True)
class Shot:
    """One picture."""

    path: str
    """Of the page."""
    settled: str
    """A selector that is there once the page shows all."""
    width: int
    height: int
    context: dict[str, Any]
    """How the browser is set."""


DESK: dict[str, Any] = {"locale": "en"}
SHOTS = {
    "page-rack.png": Shot("/rack?name=A-01", ".tile img", 1280, 800, DESK),
    "page-camera.png": Shot("/camera?agent=rack-agent&camera=rack", "svg.whole image", 1100, 653, DESK),
    "page-phone.png": Shot("/work", ".task img", 390, 800, PHONE | {"locale": "id", "color_scheme": "dark"}),
}


MONTH_SHOTS = {
    "page-teaching.png": Shot("/teaching", "section img", 1100, 760, DESK),
    "page-trends.png": Shot("/trends?days=30", "svg.chart", 1100, 1000, DESK),
    "page-models.png": Shot("/models", "table", 1280, 760, DESK),
}
LAID_OUT = "page-commission.png"
PALETTE = 192
"""Colours of a picture: a fourth of the bytes, and nobody sees a difference."""
LABELS_MS = 100_000


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Play, and take them."""
    folder.mkdir(parents=True, exist_ok=True)
    if not names or LAID_OUT in names:
        _lay_out(folder / LAID_OUT)
    if not names or MONTH_SHOTS.keys() & names:
        _take_month(folder)
    if not names or SHOTS.keys() & names:
        _play(folder)


def _play(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        words = [sys.executable, "-m", "edge_agent", "demo", "--out", f"{out}/demo", "--stay", str(STAYS_S)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as demo, running_browser() as browser:
            assert demo.stdout
            lines = iter(demo.stdout)
            found = next(match for line in lines if (match := re.search(r"Page: (http://\S+)", line)))
            _take(browser, found[1], folder)
            demo.terminate()


def _lay_out(path: Path) -> None:
    """A camera laid out from its rack's labels, one location chosen."""
    with tempfile.TemporaryDirectory() as out:
        broker = Mosquitto(Path(out) / "mosquitto")
        broker.start()
        size = {"width": 1280, "height": 900}
        with (
            open_database(f"{out}/k.sqlite", make=True) as database,
            labelled_site(Path(out), database, broker) as site,
            running_browser() as browser,
            visiting(browser, site.console, site.port, Role.SUPERVISOR, viewport=size) as page,
        ):
            open_laying_out(page)
            page.get_by_role("button", name="Find labels").click()
            expect(page.locator("#said")).to_contain_text("Labels read", timeout=LABELS_MS)
            page.get_by_role("button", name="A-01-2-03", exact=True).click()
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(PICTURES_MS)
            _save(page, path)
        broker.kill()


def _take_month(folder: Path) -> None:
    """Of the warehouse whose store is filled."""
    with tempfile.TemporaryDirectory() as out, month(Path(out)) as scene, running_browser() as browser:
        for name, shot in MONTH_SHOTS.items():
            size = {"width": shot.width, "height": shot.height}
            with visiting(browser, scene.console, scene.port, Role.SUPERVISOR, viewport=size) as page:
                page.goto(shot.path)
                page.locator(shot.settled).first.wait_for()
                page.wait_for_timeout(PICTURES_MS)
                _save(page, folder / name)


def _save(page: Page, path: Path) -> None:
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").quantize(PALETTE).save(path, optimize=True)


def _take(browser: Browser, link: str, folder: Path) -> None:
    root = link.partition("/enter/")[0]
    desk = browser.new_context(base_url=root)
    page = desk.new_page()
    page.goto(link)
    page.goto("/work")
    page.locator(".task").nth(TASKS - 1).wait_for(timeout=PATIENCE_MS)
    for name, shot in SHOTS.items():
        size = {"width": shot.width, "height": shot.height}
        context = browser.new_context(
            base_url=root, storage_state=desk.storage_state(), **(shot.context | {"viewport": size})
        )
        taken = context.new_page()
        taken.goto(shot.path)
        taken.locator(shot.settled).first.wait_for()
        taken.wait_for_timeout(PICTURES_MS)
        _save(taken, folder / name)
        context.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])

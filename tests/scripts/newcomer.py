"""A newcomer's way from an alert to its cleared task: python -m tests.scripts.newcomer prints what he sees and clicks.

Two cartons stand in each other's place. A browser enters by the address that `serve` prints, at the page that anybody
sees first, and clicks nothing but what the page names there; broker, agent, receiver and server are real, the rack is
drawn. What it shows is how many clicks the way has, and which words lead along it: no person was measured.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import run_broker
from simulator.demo.page import run_page
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Script
from simulator.shelf import Shelf
from tests.agents import SITE, AgentProcess, drawn_stock, skus, write_config
from tests.patience import PATIENCE_S
from tests.warehouse.console.browsing import running_browser
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SEED = 3
PATIENCE_MS = 1000 * PATIENCE_S


@dataclass(frozen=True)
class Step:
    """What the page says, and what is clicked on it."""

    heading: str
    seen: str
    clicked: str


@dataclass
class Hall:
    """A rack with two cartons in each other's place, and its camera's picture."""

    picture: Path
    stock: dict[str, str | None]
    pair: tuple[str, str]

    def show(self, *, swapped: bool) -> None:
        """Let the camera see it."""
        one, other = self.pair
        shown = self.stock | ({one: self.stock[other], other: self.stock[one]} if swapped else {})
        frame = Shelf(Rack(), DrawnPictures(), Script(SEED, 1, shown, {}, ())).frame(0)
        Image.fromarray(frame).save(self.picture.with_suffix(".part.jpg"), quality=92)
        self.picture.with_suffix(".part.jpg").replace(self.picture)


class Walk:
    """Notes the way."""

    def __init__(self, page: Page) -> None:
        """It begins where the browser is."""
        self._page = page
        self.steps: list[Step] = []

    def click(self, what: Locator, seen: Locator) -> None:
        """Click something, because of what is seen."""
        expect(seen).to_be_visible(timeout=PATIENCE_MS)
        self.steps.append(Step(self._heading(), _words(seen), _words(what)))
        what.click()

    def end(self, seen: Locator) -> None:
        """What is seen in the end."""
        expect(seen).to_be_visible(timeout=PATIENCE_MS)
        self.steps.append(Step(self._heading(), _words(seen), ""))

    def _heading(self) -> str:
        return _words(self._page.get_by_role("heading", level=1))


def walk(folder: Path) -> list[Step]:
    """Walk the way, in a folder for what it needs."""
    with _hall(folder) as (hall, link), running_browser() as browser:
        page = browser.new_page(locale="en", viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(link)
        found = Walk(page)
        card = page.locator(".rack-card.bad")
        expect(card).to_contain_text("2 to check", timeout=PATIENCE_MS)
        found.click(card.locator("b"), card.locator("em"))
        tile = page.locator(".tile.bad").first
        found.click(tile.get_by_role("heading").get_by_role("link"), tile.locator(".v"))
        found.click(page.locator("main").get_by_role("link", name="To do"), page.locator(".now .verdict"))
        task = page.locator(".task")
        found.click(task.get_by_role("button", name="Acknowledge"), task.get_by_role("heading", level=3))
        expect(task).to_contain_text("known to local")
        hall.show(swapped=False)  # somebody has put them right
        found.click(task.get_by_role("button", name="Done"), task.locator(".tag").first)
        found.end(page.locator(".nothing p"))
        return found.steps


@contextmanager
def _hall(folder: Path) -> Iterator[tuple[Hall, str]]:
    """All of it runs; the hall, and the address that lets in."""
    stock, products = drawn_stock(SEED), skus()
    one = "A-01-2-02"
    other = next(code for code, name in stock.items() if products[str(name)] != products[str(stock[one])])
    hall = Hall(folder / "rack.jpg", stock, (one, other))
    hall.show(swapped=True)
    with run_broker("mosquitto") as broker, run_page(folder, SITE, broker, DEMO_BUNDLE) as page:
        lines = [StockLine(code, products[str(name)]) for code, name in stock.items()]
        publish_stock(BrokerSettings("127.0.0.1", broker.port), SITE, lines, replace=False)
        source = f'type = "file", path = "{hall.picture}"'
        key = DEMO_KEY.read_text(encoding="utf-8").strip()
        agent = AgentProcess(write_config(folder, broker.port, DEMO_BUNDLE, key, source, interval_s=0.5))
        agent.start()
        try:
            yield hall, page.link
        finally:
            agent.terminate()


def _words(place: Locator) -> str:
    return " ".join(place.inner_text().split())


def table(steps: list[Step]) -> list[str]:
    """As docs/page.md has it: a line each."""
    rows = [(str(number), one.heading, one.seen, one.clicked or "-") for number, one in enumerate(steps, 1)]
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Walk, and print the way."""
    with tempfile.TemporaryDirectory() as folder:
        for line in table(walk(Path(folder))):
            print(line)


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()

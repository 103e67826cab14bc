"""A rack is laid out on the page from its labels, with no number typed: a real browser, server, broker and agent."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.commissioning.layout import grid
from edge_agent.config.layout_files import LayoutFile
from kardus.contract.layouts import Layout
from kardus.contract.messages import CameraHealth
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.scene import Rack
from tests.agents import SITE, AgentProcess
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import Publisher
from tests.scripts.rack_labels import KINDS, drawn_rack, overlap
from tests.warehouse.console.browsing import PHONE, violations, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.visiting import Browser as Visitor
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.routes.commissioning import MAX_NEIGHBOURS
from warehouse.store.database import Database

PATH = "/commission?agent=box&camera=cam"
CONFIG = (
    f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n'
    f'[model]\nbundle = "{DEMO_BUNDLE}"\ntrust = ["{DEMO_KEY.read_text().strip()}"]\n'
    '[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'
    '[[cameras]]\nname = "cam"\ninterval_s = 10\nlayout = "cam.json"\nsource = {{ type = "file", path = "rack.jpg" }}\n'
    '[[cameras]]\nname = "near"\ninterval_s = 10\nsource = {{ type = "file", path = "rack.jpg" }}\n'
    '[[cameras.locations]]\nid = "B-07-1-01"\ncorners = [[10, 10], [400, 10], [400, 300], [10, 300]]\n'
)
FAR = (
    CONFIG.partition("[[cameras]]")[0].replace('name = "box"', 'name = "box-2"')
    + '[[cameras]]\nname = "cam"\ninterval_s = 10\nsource = {{ type = "file", path = "rack.jpg" }}\n'
    '[[cameras.locations]]\nid = "C-07-1-01"\ncorners = [[10, 10], [400, 10], [400, 300], [10, 300]]\n'
    '[[cameras.locations]]\nid = "C-07-1-02"\ncorners = [[410, 10], [800, 10], [800, 300], [410, 300]]\n'
)
"""Another agent, whose camera has the same name."""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends


@dataclass(frozen=True)
class Site:
    """A server, and an agent whose camera looks at a labelled rack and has no locations yet."""

    console: Console
    port: int
    rack: Rack
    file: LayoutFile

    def saved(self) -> Layout:
        """What holds."""
        return self.file.read()[-1].layout

    def corners(self) -> dict[str, Any]:
        """By location, the corners that hold."""
        return {one.id: np.array(one.facings[0]) for one in self.saved().locations}


@contextmanager
def labelled_site(folder: Path, database: Database, broker: Mosquitto) -> Iterator[Site]:
    """Its agent runs, with a configuration and a picture in this folder."""
    rack, picture = drawn_rack(KINDS[1], 3.0, 0, damaged=False)
    picture.save(folder / "rack.jpg", quality=92)
    (folder / "agent.toml").write_text(CONFIG.format(port=broker.port))
    (folder / "far").mkdir()
    picture.save(folder / "far" / "rack.jpg", quality=92)
    (folder / "far" / "agent.toml").write_text(FAR.format(port=broker.port))
    running = [AgentProcess(folder / "agent.toml"), AgentProcess(folder / "far" / "agent.toml")]
    box = Publisher()
    now = datetime.now(UTC)
    cameras = [CameraHealth(camera=name, status="ok", since=now) for name in ("cam", "near")]
    far = Publisher("box-2")
    write(database, box.online(), *map(box._writer.health, cameras))
    write(database, far.online(), far._writer.health(cameras[0]))
    with AgentQuestions(BrokerSettings("127.0.0.1", broker.port), SITE) as asking:
        wait_for(lambda: asking._session.is_subscribed)
        console = console_over(database, asking)
        with listening(console) as port:
            for agent in running:
                agent.start()
            yield Site(console, port, rack, LayoutFile(folder / "data", "cam.json"))
            assert [agent.terminate()[0] for agent in running] == [0, 0]


@pytest.fixture
def site(tmp_path: Path, file_database: Database, mosquitto: Mosquitto) -> Iterator[Site]:
    """It runs."""
    with labelled_site(tmp_path, file_database, mosquitto) as found:
        yield found


def open_laying_out(page: Page) -> None:
    """The agent may not run yet: as a person would, one loads the page again."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        page.goto(PATH)
        expect(page.locator("#said")).not_to_contain_text("…")
        if page.locator("#said").is_hidden():
            return


def _saved(page: Page, number: int) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_have_text(f"Saved: revision {number} holds.")


def test_a_rack_is_laid_out_from_its_labels_and_back(
    browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "warehouse.console.pages.content.label_searches.LABELS_S", PATIENCE_S
    )  # a busy machine reads slowly
    with visiting(browser, site.console, site.port, Role.SUPERVISOR, viewport={"width": 1280, "height": 900}) as page:
        open_laying_out(page)
        page.get_by_role("button", name="Find labels").click()
        expect(page.locator("#said")).to_have_text("Labels read: 15, unread: 0")
        expect(page.locator("#places tr")).to_have_count(15)
        _saved(page, 1)
        truth = {slot.location: slot.corners for slot in site.rack.slots()}
        found = site.corners()
        assert found.keys() == truth.keys(), "15 of 15 codes right"
        assert np.mean([overlap(found[code], truth[code]) for code in truth]) >= 0.85
        assert violations(page) == []
        _drags_and_nudges_a_corner(page, site)
        _is_what_the_agent_says(page)
        page.get_by_role("button", name="Go back to 1").click()
        expect(page.locator("#said")).to_have_text("Saved: revision 3 holds.")
        assert {code: corners.tolist() for code, corners in site.corners().items()} == {
            code: corners.tolist() for code, corners in found.items()
        }
        expect(page.locator("#history li").first).to_contain_text("back to revision 1; moved: ")
        expect(page.locator("#history li").first).to_contain_text("a supervisor")
        page.get_by_role("button", name="Go back to 2").click()
        expect(page.locator("#said")).to_have_text("Saved: revision 4 holds.")
    with site.console.database.reading() as connection:
        noted = connection.exec_driver_sql("SELECT actor, detail FROM audit WHERE action = 'lay-out'").all()
    assert [detail for _, detail in noted][:3] == [
        "15 locations, based on revision 0",
        "15 locations, based on revision 1",
        "back to revision 1, from 2",
    ]


def _drags_and_nudges_a_corner(page: Page, site: Site) -> None:
    """With the mouse, and further with the keyboard; the magnifier shows it."""
    code, before = next(iter(site.corners().items()))
    page.get_by_role("button", name=code, exact=True).click()
    handle = page.get_by_role("button", name=f"{code}: top left corner")
    expect(handle).to_be_focused()
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 12, y + 8, steps=3)
    expect(page.locator("#lens")).to_be_visible()
    lens, stage = (page.locator(one).bounding_box() for one in ("#lens", ".stage"))
    assert lens
    assert stage
    assert stage["x"] + stage["width"] / 2 < lens["x"], "beside the corner"
    assert lens["x"] + lens["width"] < stage["x"] + stage["width"], "it covers nothing but the picture"
    assert lens["y"] > stage["y"]
    page.mouse.up()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    _saved(page, 2)
    after, one = site.corners()[code], 3840 / page.locator("#stage").evaluate("(s) => s.getBoundingClientRect().width")
    assert after[0] - before[0] == pytest.approx([12 * one + 10, 8 * one + 1], abs=1)
    assert (after[1:] == before[1:]).all()


def _is_what_the_agent_says(page: Page) -> None:
    """Pixels and accuracy beside each location are those that the agent reckons."""
    told = page.evaluate(
        "async () => (await (await fetch('/commission/layout?agent=box&camera=cam')).json()).prospects"
    )
    shown = page.locator("#places tr").all()
    for one, row in zip(told, shown, strict=True):
        assert one["location"] in row.inner_text()
        assert f"{one['side_px']} px" in row.inner_text()
        assert f"{100 * one['accuracy']:.0f}%" in row.inner_text()


def test_a_grid_a_mask_and_a_copy_on_a_phone_in_indonesian(browser: Browser, site: Site) -> None:
    with visiting(browser, site.console, site.port, Role.SUPERVISOR, "id", **PHONE) as page:
        open_laying_out(page)
        page.locator("#add-grid").tap()
        page.locator("#levels").fill("2")
        page.locator("#positions").fill("3")
        page.locator("#pattern").fill("C-{level}-{position:02}")
        page.locator("#grid-form .primary").tap()
        page.locator("#add-mask").tap()
        page.locator("#more-corners").tap()
        page.locator("#save").tap()
        expect(page.locator("#said")).to_contain_text("1")
        expect(page.locator("#said")).to_have_class("message good")
        saved = site.saved()
        assert [len(area) for area in saved.mask] == [5]
        whole = ((576, 324), (3264, 324), (3264, 1836), (576, 1836))
        for code, corners in grid(whole, 2, 3, "C-{level}-{position:02}", 0.1):
            assert site.corners()[code] == pytest.approx(corners, abs=0.1)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to be pushed sideways"
        page.locator("summary").tap()
        page.locator("#code-from").fill("B-07")
        page.locator("#code-to").fill("B-08")
        page.locator("#copy").tap()
        expect(page.locator("#places tr button")).to_have_text(["B-08-1-01"])
        options = page.locator("#neighbour option").evaluate_all("all => all.map(o => [o.dataset.agent, o.value])")
        assert options == [["box", "near"], ["box-2", "cam"]], "the same agent's first"
        page.locator("#neighbour").select_option("cam")
        page.locator("#code-from").fill("C-07")
        page.locator("#code-to").fill("B-09")
        page.locator("#copy").tap()
        expect(page.locator("#places tr button")).to_have_text(["B-09-1-01", "B-09-1-02"])


def test_cameras_to_copy_from_are_the_nearest(file_database: Database) -> None:
    now = datetime.now(UTC)
    for n in range(1, 131):
        box = Publisher(f"box-{n}")
        health = [CameraHealth(camera=name, status="ok", since=now) for name in ("left", "right")]
        write(file_database, *map(box._writer.health, health))
    person = Visitor(console_over(file_database), Role.SUPERVISOR)
    shown = person.get("/commission?agent=box-60&camera=left").text
    agents_offered = re.findall(r'<optgroup label="([^"]*)">', shown)
    assert agents_offered[:3] in (["box-60", "box-59", "box-61"], ["box-60", "box-61", "box-59"])
    assert shown.count("<option value=") - shown.count('<select id="side">') * 2 == MAX_NEIGHBOURS
    assert "box-130" not in agents_offered
    assert 'data-agent="box-60">right' in shown
    assert 'data-agent="box-60">left' not in shown
    alone = person.get("/commission?agent=unheard&camera=left").text
    assert "<optgroup" in alone

"""No page violates WCAG 2.2 AA, as axe-core sees it: in both languages, light and dark, on a phone and a desktop."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Page

from kardus.contract.messages import Alert, CameraHealth, LastPicture, Model
from kardus.contract.model_status import Comparison, ModelStatus
from kardus.contract.verdicts import Verdict
from tests.export.colours import colour_bundle
from tests.publishers import Publisher
from tests.scripts.page_routes import routes
from tests.warehouse.console.browsing import PHONE, running_browser, violations, visiting
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.receiving.making import pictures_of, write
from tests.warehouse.teaching.judged import judge
from warehouse.console.agents.bundles import Bundles
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.settings import PageSettings
from warehouse.oidc.provider import IdentityProvider
from warehouse.oidc.settings import OidcSettings
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.teaching.requesting import request_enrolment

HERE, SKU = "A-01-2-03", "Jasmine Tea 20"
NO_PAGES = ("/export", "/crops", "/photos", "/static", "/bundles", "/live", "/now", "/view", "/enter", "/signin/")
"""Files, pictures, streams, and ways on."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # playwright's own pipes, when it ends
]


@dataclass(frozen=True)
class Site:
    """A server with something on every page."""

    console: Console
    port: int
    event: str

    def pages(self) -> list[str]:
        """The address of every page, and of one that isn't there."""
        asked = {"/rack": "/rack?name=A-01", "/location": f"/location?code={HERE}", "/nothing": "/nothing"}
        asked |= {each: f"{each}?agent=box&camera=cam" for each in ("/camera", "/commission")}
        asked |= {"/enrolment": f"/enrolment?sku={quote(SKU)}"}
        asked |= {"/teaching/{event}": f"/teaching/{self.event}"}
        found = {route.path for route in routes() if "GET" in (route.methods or ())} | {"/nothing"}
        pages = {path for path in found if not path.startswith(NO_PAGES) and not path.endswith(("/picture", ".zip"))}
        assert {path for path in pages if "{" in path} <= set(asked)
        return sorted(asked.get(path, path) for path in pages - {"/signin"})


@pytest.fixture
def site(file_database: Database, tmp_path: Path) -> Iterator[Site]:
    """Alerts, cameras in trouble, labels, a request, bundles, a provider, a message of each kind."""
    box, now = Publisher(), datetime.now(UTC)
    alert = Alert(id="alert-1", status="open", opened=now)
    events = [judge(file_database, box, f"A-02-1-0{n}", StatedTruth.PRODUCT, SKU) for n in range(6)]
    write(file_database, box.event(HERE, Verdict.MISMATCH, alert), box.state(HERE, Verdict.MISMATCH, seen="Lemon"))
    write(file_database, box.picture(HERE, box.ids[-1]), box.state("A-01-1-01"), box.state("A-01-1-02", Verdict.STALE))
    last = (LastPicture(camera="cam", captured=now),)
    told = box._writer.online(3, "0.1.0", now, disk_free_mb=900, waiting=3, last_pictures=last, reason="a disk is full")
    health = CameraHealth(camera="cam", status="covered", reason="2 of 32 marks are found again", since=now)
    folder, asked = tmp_path / "bundles", tmp_path / "requests"
    for made in (folder, asked):
        made.mkdir()
    colour_bundle(folder / "a.bundle", [Ed25519PrivateKey.generate()])
    (folder / "b.bundle").write_bytes(b"no zip")
    model = Model(name="colours", version="1.2.3")
    status = ModelStatus(
        model=model, sha256="0" * 64, phase="refused", candidate=model, reason="it is worse", since=now
    )
    status = status.model_copy(update={"comparison": Comparison(crops=40, same=30, expected=30)})
    write(file_database, told, box._writer.health(health), box._writer.model_status(status))
    request_enrolment(file_database, pictures_of(file_database), asked / ("0" * 36), SKU, events=events[:2])
    issuer = "https://login.example.com"
    oidc = OidcSettings(issuer=issuer, client_id="x", address="https://x.example", roles={"viewer": ("x",)})
    page = PageSettings(
        bundles=Bundles(folder, "https://x.example", asked), requests=asked, provider=IdentityProvider(oidc)
    )
    console = console_over(file_database)
    with listening(console, page) as port:
        yield Site(console, port, box.ids[-1])


@pytest.mark.timeout(900)  # sixteen pages, each looked at whole, on a machine that others use too
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_no_page_violates_wcag_2_2_aa(site: Site, theme: str, language: str, device: str) -> None:
    how: dict[str, Any] = {"color_scheme": theme, **(PHONE if device == "phone" else {})}
    with (
        running_browser() as browser,
        visiting(browser, site.console, site.port, Role.ADMINISTRATOR, language, **how) as page,
    ):
        found = {path: _looked_at(page, path) for path in site.pages()}
        page.context.clear_cookies()
        found["/signin"] = _looked_at(page, "/signin")
    assert {path: lines for path, lines in found.items() if lines} == {}


def _looked_at(page: Page, path: str) -> list[str]:
    """What is wrong on a page with everything folded out; and that nobody has to push it sideways."""
    page.goto(path)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = violations(page)
    assert page.viewport_size
    if page.evaluate("document.documentElement.scrollWidth") > page.viewport_size["width"]:
        found.append("wider than the screen")
    return found

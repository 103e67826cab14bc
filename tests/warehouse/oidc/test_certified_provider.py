"""The page and a certified provider, in a real browser: in by its login form, out, and what is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from simulator.demo.broker import free_port
from tests.warehouse.console.browsing import WAIT_MS, running_browser
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.oidc.certified_provider import CertifiedProvider
from tests.warehouse.oidc.conftest import FILE
from tests.warehouse.oidc.open_id_provider import CLIENT, SECRET, Key
from tests.warehouse.oidc.test_page import refusals
from warehouse.console.identity.people import add_person
from warehouse.console.pages.settings import PageSettings
from warehouse.oidc.provider import IdentityProvider
from warehouse.oidc.settings import read_settings
from warehouse.store.database import Database

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # playwright's own pipes, when it ends
]
GIVEN = "only for the local account"


@dataclass(frozen=True)
class Company:
    """A page whose people come in by the provider."""

    there: CertifiedProvider
    page: str
    database: Database
    browser: BrowserContext

    def another_browser(self) -> BrowserContext:
        """With no cookie of anybody's."""
        assert self.browser.browser is not None
        made = self.browser.browser.new_context(base_url=self.page, locale="en")
        made.set_default_timeout(WAIT_MS)
        return made


@pytest.fixture
def company(file_database: Database, tmp_path: Path) -> Iterator[Company]:
    """Both, and a browser."""
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    with CertifiedProvider(tmp_path / "node", page) as there:
        text = FILE.format(issuer=there.issuer, client=CLIENT, page=page)
        (tmp_path / "oidc.toml").write_text(text.replace("[roles]", 'scope = "openid profile groups"\n[roles]'))
        settings = PageSettings(provider=IdentityProvider(read_settings(tmp_path / "oidc.toml")))
        with listening(console_over(file_database), settings, port), running_browser() as browser:
            context = browser.new_context(base_url=page, locale="en")
            context.set_default_timeout(WAIT_MS)
            yield Company(there, page, file_database, context)


def sign_in(page: Page, name: str) -> None:
    """From the page's button through the provider's forms, and back."""
    page.goto("/work")
    page.get_by_role("link", name="Sign in with Company").click()
    _through(page, name)


def _through(page: Page, name: str) -> None:
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def status(page: Page, path: str) -> int:
    """What the page answers there."""
    answer = page.goto(path)
    assert answer is not None
    return answer.status


@pytest.mark.parametrize("conforming", [True, False], ids=["claims-by-userinfo", "claims-in-the-token"])
def test_somebody_comes_in_by_the_provider_s_form_and_goes_out_at_both(company: Company, *, conforming: bool) -> None:
    if not conforming:
        company.there.stop()
        company.there.settings["conforming"] = False
        company.there.start()
    page = company.browser.new_page()
    sign_in(page, "sari")
    page.wait_for_url("**/work")
    page.goto("/account")
    assert "sari" in page.locator("main").inner_text()
    assert status(page, "/people") == 403, "an operator"
    page.goto("/account")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign out of Company too").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url(f"{company.page}/signin*")
    page.get_by_role("link", name="Sign in with Company").click()
    _through(page, "budi")  # the form again: nobody is in there any more
    page.wait_for_url(f"{company.page}/")
    assert status(page, "/people") == 200, "an administrator, by one of two groups"


def test_who_has_no_group_and_what_is_not_for_us_is_refused(company: Company) -> None:
    page = company.browser.new_page()
    sign_in(page, "tono")
    assert "ask an administrator for a role" in page.locator("main").inner_text()
    for spoilt in ({"aud": "another"}, {"nonce": "of another browser"}, {"iss": "https://elsewhere.example"}):
        company.there.spoil(**spoilt)
        other = company.another_browser()
        page = other.new_page()
        sign_in(page, "sari")
        assert "answer can't be used" in page.locator("main").inner_text()
        other.close()
    company.there.spoil()
    told = refusals(company.database)
    assert told[0] == "no role"
    assert [word in line for word, line in zip(("aud", "nonce", "iss"), told[1:], strict=True)] == [True] * 3


def test_a_code_counts_for_the_browser_and_the_client_that_asked_for_it_alone(company: Company) -> None:
    """A stolen address, a changed state, and a code that was given to another client."""
    page = company.browser.new_page()
    page.goto("/signin")
    page.get_by_role("link", name="Sign in with Company").click()
    begun = company.browser.cookies(company.page)
    company.browser.clear_cookies(name="kardus_begun")  # so that the code stays unused
    _through(page, "budi")
    page.wait_for_url("**/signin/callback?*")
    stolen = page.url
    victim = company.another_browser().new_page()
    victim.goto("/signin/provider", wait_until="commit")
    company.browser.add_cookies(begun)  # type: ignore[arg-type]  # as they were given
    changed = stolen.replace("state=", "state=x")
    assert [status(victim, stolen), status(page, changed)] == [403, 403], "it would be in as somebody else"
    assert (status(page, stolen), page.url) == (200, f"{company.page}/"), "and its own browser is in, once"
    assert status(victim, stolen) == 403
    other = company.another_browser()
    asked = other.request.get("/signin/provider", max_redirects=0).headers["location"]
    page = other.new_page()
    page.goto(asked.replace(f"client_id={CLIENT}", "client_id=another"))
    _through(page, "budi")
    page.wait_for_url("**/signin/callback?*")
    assert "answer can't be used" in page.locator("main").inner_text()
    told = refusals(company.database)
    assert told[:-1] == ["another browser began this sign-in"] * 4
    assert "invalid_grant" in told[-1]


def test_while_it_is_away_passwords_let_in_and_with_new_keys_it_does_again(company: Company) -> None:
    page = company.browser.new_page()
    sign_in(page, "sari")
    page.wait_for_url("**/work")
    add_person(company.database, "Wati", "administrator", GIVEN)
    company.there.stop()
    assert status(page, "/work") == 200, "who is in stays in"
    other = company.another_browser().new_page()
    other.goto("/signin")
    other.get_by_label("Name").fill("Wati")
    other.get_by_label("Password").fill(GIVEN)
    other.get_by_role("button", name="Sign in", exact=True).click()
    other.wait_for_url(f"{company.page}/")
    company.there.settings["key"] = Key("second").private()
    company.there.start()
    fresh = company.another_browser().new_page()
    sign_in(fresh, "budi")
    fresh.wait_for_url("**/work")

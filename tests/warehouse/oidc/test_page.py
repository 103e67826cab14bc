"""People who come in by a provider: who they are, what they may do, and who isn't let in."""

from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select, update

from kardus.support.errors import UsageError
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.oidc.open_id_provider import OpenIdProvider
from warehouse.console.identity.people import add_person, change_password, change_role, find_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import MAX_PROVIDED_SESSION
from warehouse.console.limits import RateLimit
from warehouse.oidc.provider import IdentityProvider
from warehouse.store.database import Database
from warehouse.store.tables import audit, present, sessions

COOKIE = "kardus_begun"


def path_back(browser: Browser, to: str = "/") -> str:
    """Where the provider sends a browser back to that has signed in there."""
    begun = browser.get(f"/signin/provider?next={to}")
    assert begun.status_code == 303
    there = urlsplit(httpx2.get(begun.headers["location"]).headers["location"])
    return f"{there.path}?{there.query}"


def entered(database: Database, provider: IdentityProvider) -> Browser:
    """A new browser, with whomever the provider lets in."""
    browser = Browser(console_over(database), None, provider=provider)
    assert browser.get(path_back(browser)).status_code == 303
    return browser


def refusals(database: Database) -> list[str]:
    """What the audit log says of those who weren't let in."""
    with database.reading() as connection:
        chosen = select(audit.c.detail).where(audit.c.action == "sign-in-refused").order_by(audit.c.number)
        return list(connection.execute(chosen).scalars())


def test_who_comes_back_from_the_provider_is_in_with_its_role(database: Database, provider: IdentityProvider) -> None:
    browser = Browser(console_over(database), None, provider=provider)
    shown = browser.get("/signin?next=/work").text
    assert 'href="/signin/provider?next=/work"' in shown
    assert "Sign in with Company" in shown
    before = "chosen by somebody else"
    browser.client.cookies.set("kardus_session", before, "testserver.local", "/")
    answer = browser.get(path_back(browser, "/account"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert browser.cookie != before, "a session that was there before is worth nothing"
    assert COOKIE not in browser.client.cookies
    shown = words_of(browser.get("/account").text)
    assert "Sari" in shown
    assert "Former password" not in shown
    assert browser.get("/people").status_code == 403
    found = find_person(database, "Sari")
    assert found is not None
    assert (found.role, found.issuer) == (Role.OPERATOR, provider.settings.issuer)
    with pytest.raises(UsageError, match="change it there"):
        change_role(database, "Sari", "viewer")
    with pytest.raises(UsageError, match="change it there"):
        change_password(database, "Sari", "x" * 12)
    shown = words_of(Browser(console_over(database), Role.ADMINISTRATOR, provider=provider).get("/people").text)
    assert f"comes in by {provider.settings.issuer}" in shown


def test_another_role_there_holds_from_the_next_sign_in(
    database: Database, provider: IdentityProvider, company: OpenIdProvider
) -> None:
    former = entered(database, provider)
    company.claims |= {"groups": ["rack-admins"], "preferred_username": "Sari again"}
    assert entered(database, provider).get("/people").status_code == 200
    assert former.get("/people").status_code == 200, "in his other browser too"
    assert find_person(database, "Sari again") is None, "he is who he was"
    company.claims["groups"] = []
    browser = Browser(console_over(database), None, provider=provider)
    refused = browser.get(path_back(browser))
    assert (refused.status_code, "You may not come in" in refused.text) == (403, True)
    assert former.get("/").status_code == 303, "who has lost his roles is out at once"
    assert refusals(database) == ["no role"]
    with database.reading() as connection:
        done = select(audit.c.action, audit.c.detail).where(audit.c.actor == provider.settings.issuer)
        rows = [tuple(row) for row in connection.execute(done.order_by(audit.c.number))]
    assert rows == [("add-user", "operator"), ("change-role", "operator to administrator")]


def test_a_name_that_somebody_has_here_opens_nobody_s_account(
    database: Database, provider: IdentityProvider, company: OpenIdProvider
) -> None:
    add_person(database, "SARI", "administrator", "")
    browser = Browser(console_over(database), None, "id", provider=provider)
    refused = browser.get(path_back(browser))
    assert (refused.status_code, browser.get("/").status_code) == (403, 303)
    assert "administrator" in words_of(refused.text)
    company.claims |= {"preferred_username": "x" * 101}
    assert browser.get(path_back(browser)).status_code == 403
    assert [one.split(":")[0] for one in refusals(database)] == ["user 'Sari'", "user name"]
    company.claims |= {"preferred_username": "Budi"}
    assert entered(database, provider).get("/").status_code == 200
    company.claims |= {"sub": "1002"}  # another with the same name
    assert browser.get(path_back(browser)).status_code == 403


def test_nobody_finishes_what_another_browser_began(
    database: Database, provider: IdentityProvider, company: OpenIdProvider
) -> None:
    attacker, victim = (Browser(console_over(database), None, provider=provider) for _ in range(2))
    his = path_back(attacker)
    assert victim.get(his).status_code == 403, "it would be in as somebody else"
    path_back(victim)
    assert victim.get(his).status_code == 403
    assert victim.get("/signin/callback?error=access_denied&state=x").status_code == 403
    company.spoil = lambda _, claims: claims.update(aud="another page")
    answer = attacker.get(path_back(attacker))
    assert (answer.status_code, "kardus_session" in attacker.client.cookies) == (403, False)
    assert [one[:24] for one in refusals(database)] == [
        "another browser began th",
        "another browser began th",
        "the provider refuses: ac",
        "the ID token isn't good:",
    ]
    limited = Browser(console_over(database, wrong=RateLimit(0.001, 2)), None, provider=provider)
    assert [limited.get(his).status_code for _ in range(3)] == [403, 403, 429]


def test_while_the_provider_is_away_passwords_go_on(
    database: Database, provider: IdentityProvider, company: OpenIdProvider
) -> None:
    inside = entered(database, provider)
    browser = Browser(console_over(database), None, provider=provider)
    back = path_back(browser)
    company.__exit__()
    answer = browser.get(back)
    assert (answer.status_code, "use a password" in answer.text) == (503, True)
    fresh = Browser(console_over(database), None, "id", provider=IdentityProvider(provider.settings))
    answer = fresh.get("/signin/provider")
    assert (answer.status_code, "Penyedia" in answer.text) == (503, True)
    assert fresh.get("/signin").status_code == 200
    assert inside.get("/").status_code == 200
    assert refusals(database) == [], "nobody was refused"


def test_who_signs_out_here_is_offered_to_do_so_there(database: Database, provider: IdentityProvider) -> None:
    browser = entered(database, provider)
    browser.csrf = browser.get("/account").text.partition('name="csrf" content="')[2].partition('"')[0]
    answer = browser.post("/signout")
    assert answer.headers["location"] == "/signin?out=provider"
    shown = browser.get("/signin?out=provider").text
    assert f'href="{provider.settings.issuer}/end_session?client_id=kardus&amp;post_logout_redirect_uri=' in shown
    assert "end_session" not in browser.get("/signin").text


def test_a_session_by_a_provider_ends_after_half_a_day(database: Database, provider: IdentityProvider) -> None:
    browser, local = entered(database, provider), Browser(console_over(database), Role.VIEWER)
    with database.noting() as connection:
        connection.execute(update(sessions).values(made=present() - MAX_PROVIDED_SESSION * 1.01))
    assert (browser.get("/").status_code, local.get("/").status_code) == (303, 200)


def test_without_a_provider_there_is_no_such_way(database: Database) -> None:
    browser = Browser(console_over(database), None)
    assert browser.get("/signin/provider").status_code == 404
    assert browser.get("/signin/callback?code=x").status_code == 404
    assert "/signin/provider" not in browser.get("/signin").text

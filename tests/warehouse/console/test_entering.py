"""Who comes in, and who doesn't: passwords, lock-out, sessions, one-time links, other sites' forms."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select, update

from kardus.support.errors import UsageError
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import SITE_ADDRESS, Browser
from warehouse.console.identity import people as people_module
from warehouse.console.identity import sessions as sessions_module
from warehouse.console.identity.people import add_person, find_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import IDLE, LOCK_S, TRIES, OneTimeLinks, locked_s
from warehouse.console.limits import RateLimit
from warehouse.console.pages.routes.entering import local_path
from warehouse.store.database import Database
from warehouse.store.tables import audit, present, sessions, signin_failures, users

PASSWORD = "a long password of words"  # noqa: S105 - the tests' own


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing costs what it must in one test alone."""
    monkeypatch.setattr(people_module, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


def test_a_hash_costs_an_attacker_what_rfc_9106_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "$argon2id$v=19$m=65536,t=3,p=1$" in people_module.hashed(PASSWORD)
    for wrong in ("short", "x" * 201):
        with pytest.raises(UsageError, match="10 to 200"):
            people_module.hashed(wrong)


def test_a_stranger_costs_as_long_as_somebody_with_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not people_module._hasher.check_needs_rehash(people_module._NOBODY)
    with pytest.raises(VerifyMismatchError):  # it is computed, not refused as no hash
        people_module._hasher.verify(people_module._NOBODY, PASSWORD)


@pytest.fixture
def people(database: Database) -> Database:
    """One operator with a password."""
    add_person(database, "Sari", "operator", PASSWORD)
    return database


def test_the_right_password_lets_in_and_is_nowhere_to_be_read(people: Database) -> None:
    browser = Browser(console_over(people), None)
    assert browser.get("/").headers["location"] == "/signin?next=/"
    entered = browser.post("/signin", name="sari", password=PASSWORD, next="/account")
    assert (entered.status_code, entered.headers["location"]) == (303, "/account")
    marks = entered.headers["set-cookie"].lower()
    assert "httponly" in marks
    assert "samesite=lax" in marks
    assert "Sari" in browser.get("/account").text
    secret = browser.cookie
    with people.reading() as connection:
        rows = [*connection.execute(select(users)).all(), *connection.execute(select(sessions)).all()]
        actions = [row.action for row in connection.execute(select(audit).order_by(audit.c.number))]
    assert PASSWORD not in str(rows)
    assert secret not in str(rows)
    assert "argon2id" in str(rows)
    assert actions == ["add-user", "sign-in"]


def test_a_cookie_that_was_there_before_lets_nobody_in_afterwards(people: Database) -> None:
    browser = Browser(console_over(people), None)
    browser.show("chosen by somebody else")
    browser.post("/signin", name="Sari", password=PASSWORD)
    first = browser.cookie
    assert first != "chosen by somebody else"
    browser.post("/signin", name="Sari", password=PASSWORD)
    old = Browser(console_over(people), None)
    old.show(first)
    assert old.get("/").status_code == 303, "the former session of this browser is over"


def test_who_signs_out_is_out_everywhere_this_cookie_went(people: Database) -> None:
    browser = Browser(console_over(people), Role.VIEWER)
    secret = browser.cookie
    assert browser.post("/signout").status_code == 303
    browser.show(secret)
    assert browser.get("/").status_code == 303


def test_five_wrong_passwords_lock_the_name_whether_or_not_somebody_has_it(people: Database) -> None:
    browser = Browser(console_over(people), None)
    for name in ("Sari", "nobody"):
        answers = [browser.post("/signin", name=name, password="wrong" * 3).status_code for _ in range(TRIES + 1)]
        assert answers == [401] * TRIES + [429]
    assert browser.post("/signin", name="SARI", password=PASSWORD).status_code == 429, "the right one neither"
    with people.noting() as connection:
        connection.execute(update(signin_failures).values(last=present() - timedelta(seconds=LOCK_S + 1)))
    assert browser.post("/signin", name="Sari", password=PASSWORD).status_code == 303
    assert locked_s(people, "Sari") == 0
    with people.noting() as connection:
        connection.execute(update(signin_failures).values(failures=500))
    assert locked_s(people, "nobody") < sessions_module.MAX_LOCK_S


@pytest.mark.parametrize("written", ["\u00c9mile", "E\u0301mile", "\u00e9mile", "e\u0301MILE", " \u00c9mile "])
def test_somebody_is_known_however_the_name_is_written_and_a_lock_is_his(people: Database, written: str) -> None:
    add_person(people, "\u00c9mile", "viewer", PASSWORD)
    with pytest.raises(UsageError, match="there is one already"):
        add_person(people, written, "viewer", PASSWORD)
    browser = Browser(console_over(people), None)
    assert browser.post("/signin", name=written, password=PASSWORD).status_code == 303
    ways = ["\u00c9mile", "E\u0301mile", "\u00e9mile", "\u00c9mile ", "\u00c9MILE"]
    assert len(ways) == TRIES
    answers = [browser.post("/signin", name=way, password="wrong" * 3).status_code for way in ways]
    assert answers == [401] * TRIES
    assert browser.post("/signin", name=written, password=PASSWORD).status_code == 429


def test_one_address_can_t_try_names_without_end(people: Database) -> None:
    console = console_over(people, wrong=RateLimit(0.001, 3))
    browser = Browser(console, None)
    answers = [browser.post("/signin", name=f"name {n}", password="wrong" * 3) for n in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_session_ends_by_itself(people: Database) -> None:
    browser = Browser(console_over(people), Role.VIEWER)
    for column, back in ((sessions.c.seen, IDLE), (sessions.c.made, sessions_module.LONGEST)):
        assert browser.get("/").status_code == 200
        with people.noting() as connection:
            connection.execute(update(sessions).values({column: present() - back - timedelta(seconds=1)}))
        assert browser.get("/").status_code == 303
        with people.noting() as connection:
            connection.execute(update(sessions).values(seen=present()))


def test_who_is_there_stays_in(people: Database) -> None:
    browser = Browser(console_over(people), Role.VIEWER)
    former = present() - sessions_module.NOTE_AFTER - timedelta(seconds=1)
    with people.noting() as connection:
        connection.execute(update(sessions).values(seen=former))
    browser.get("/")
    with people.reading() as connection:
        assert connection.execute(select(sessions.c.seen)).scalar_one() > former


def test_a_link_lets_in_once(people: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    links = OneTimeLinks()
    secret = links.make()
    browser = Browser(console_over(people), None, links=links)
    assert browser.get(f"/enter/{secret}x").status_code == 403
    assert browser.get(f"/enter/{secret}").status_code == 303
    assert browser.get("/").status_code == 200
    assert browser.get(f"/enter/{secret}").status_code == 403
    found = find_person(people, "local")
    assert found is not None
    assert (found.role, found.has_password) == (Role.ADMINISTRATOR, False)
    monkeypatch.setattr(sessions_module, "LINK_S", -1.0)
    assert browser.get(f"/enter/{links.make()}").status_code == 403, "too old"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": SITE_ADDRESS},
        {"Origin": "null"},
    ],
)
def test_other_sites_forms_are_refused(people: Database, headers: dict[str, str]) -> None:
    browser = Browser(console_over(people), Role.VIEWER)
    for path, fields in (("/signin", {"name": "Sari", "password": PASSWORD}), ("/preferences", {"language": "id"})):
        assert browser.client.post(path, data=fields, headers=headers).status_code == 403
    assert browser.client.post("/signout", data={"csrf": browser.csrf}, headers=headers).status_code == 403


def test_our_own_form_is_taken_where_a_browser_keeps_its_address_back(people: Database) -> None:
    browser = Browser(console_over(people), None)
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    fields = {"name": "Sari", "password": PASSWORD}
    assert browser.client.post("/signin", data=fields, headers=headers).status_code == 303


def test_a_form_without_the_session_s_token_is_refused(people: Database) -> None:
    browser, other = (Browser(console_over(people), Role.VIEWER) for _ in range(2))
    for token in ("", other.csrf, "é"):
        assert browser.client.post("/signout", data={"csrf": token}).status_code == 403
        assert browser.client.post("/signout", headers={"X-CSRF-Token": ascii(token)}).status_code == 403
    assert browser.get("/").status_code == 200
    assert browser.client.post("/signout", headers={"X-CSRF-Token": browser.csrf}).status_code == 303


@pytest.mark.parametrize("text", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "", "x"])
def test_the_way_on_stays_on_this_server(text: str) -> None:
    assert local_path(text) == "/"
    assert local_path("/racks/A-03?verdict=empty") == "/racks/A-03?verdict=empty"


def test_another_password_ends_every_session(people: Database) -> None:
    browser = Browser(console_over(people), None)
    browser.post("/signin", name="Sari", password=PASSWORD)
    text = browser.get("/account").text
    browser.csrf = text.split('name="csrf" content="')[1].split('"')[0]
    assert browser.post("/account/password", former="wrong", password="another long one").status_code == 422
    assert browser.post("/account/password", former=PASSWORD, password="short").status_code == 422
    assert browser.post("/account/password", former=PASSWORD, password="another long one").status_code == 303
    assert browser.get("/").status_code == 303
    assert browser.post("/signin", name="Sari", password="another long one").status_code == 303


def test_with_tls_the_cookie_is_this_host_s_alone(people: Database) -> None:
    browser = Browser(console_over(people), None, encrypted=True)
    entered = browser.post("/signin", name="Sari", password=PASSWORD)
    assert entered.headers["set-cookie"].startswith("__Host-kardus=")
    assert "secure" in entered.headers["set-cookie"].lower()


def test_language_by_person_cookie_and_browser(people: Database) -> None:
    browser = Browser(console_over(people), None, language="id-ID,id;q=0.9")
    assert "Kata sandi" in browser.get("/signin").text
    browser.post("/preferences", language="en")
    assert "Password" in browser.get("/signin").text
    browser.post("/signin", name="Sari", password=PASSWORD)
    browser.post("/preferences", language="id", theme="dark")
    browser.client.cookies.delete("kardus_language")
    shown = browser.get("/account").text
    assert '<html lang="id" data-theme="dark">' in shown

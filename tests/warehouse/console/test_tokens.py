"""Who is let in, to what, and how it is noted."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from kardus.support.errors import UsageError
from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import BASE, client_of, console_over
from warehouse.__main__ import main
from warehouse.console.app import make_app
from warehouse.console.context import KnownTokens
from warehouse.console.identity.scopes import SCOPES, Scope
from warehouse.console.identity.tokens import list_tokens, make_token, principal_of, revoke_token
from warehouse.console.limits import RateLimit
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.tables import present, tokens

SCOPE_OF: dict[str, Scope] = {
    "GET /events": "read",
    "GET /events/{event}": "read",
    "GET /locations": "read",
    "GET /states": "read",
    "GET /alerts": "read",
    "GET /alerts/{alert}": "read",
    "GET /alerts/{alert}/comments": "read",
    "GET /evidence": "read",
    "GET /agents": "read",
    "GET /agents/{agent}": "read",
    "GET /cameras": "read",
    "GET /coverage": "read",
    "GET /coverage/{agent}": "read",
    "GET /changes": "read",
    "GET /evidence/{event}": "pictures",
    "GET /audit": "audit",
    "POST /alerts/{alert}/acknowledge": "act",
    "POST /alerts/{alert}/comments": "act",
    "POST /looks": "act",
    "POST /events/{event}/label": "teach",
    "GET /labels": "read",
    "GET /labels/drawn": "read",
    "GET /labels/queue": "read",
    "GET /precision": "read",
}


def test_every_route_wants_its_scope_and_refuses_the_others(file_database: Database) -> None:
    console = console_over(file_database)
    paths = make_app(console).openapi()["paths"]
    routes = {f"{method.upper()} {path.removeprefix(BASE)}" for path, ways in paths.items() for method in ways}
    assert routes == set(SCOPE_OF), "a new route has to be added here, with its scope"
    nobody = TestClient(make_app(console), f"http://testserver{BASE}")
    others = {scope: client_of(console, *(set(SCOPES) - {scope})) for scope in SCOPES}
    for route, scope in SCOPE_OF.items():
        method, path = route.split(" ")
        for who, status in ((others[scope], 403), (nobody, 401)):
            found = who.request(method, path, json={})
            assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), route


def test_the_database_has_no_secret(database: Database) -> None:
    token = make_token(database, "reader", ["read"], None)
    with database.reading() as connection:
        (row,) = connection.execute(select(tokens)).all()
    assert token.split("_", 2)[2] not in str(row)
    assert principal_of(database, token) is not None
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), token.replace("kardus", "Kardus"), "", token * 2):
        assert principal_of(database, wrong) is None


def test_one_that_is_over_lets_nobody_in(database: Database) -> None:
    over, revoked = (make_token(database, name, ["read"], 1) for name in ("over", "revoked"))
    ids = {token.name: token.id for token in list_tokens(database)}
    with database.noting() as connection:
        past = present() - timedelta(seconds=1)
        connection.execute(update(tokens).where(tokens.c.id == ids["over"]).values(expires=past))
    revoke_token(database, ids["revoked"])
    revoke_token(database, ids["revoked"])
    assert [principal_of(database, token) for token in (over, revoked)] == [None, None]
    assert [token.is_good for token in list_tokens(database)] == [False, False]


def test_a_revoked_token_is_refused_within_seconds(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.context.KNOWN_S", PATIENCE_S)
    assert hall.client.get("/agents").status_code == 200
    revoke_token(hall.console.database, list_tokens(hall.console.database)[0].id)
    assert hall.client.get("/agents").status_code == 200, "known for a while"
    monkeypatch.setattr("warehouse.console.context.KNOWN_S", 0.0)
    refused = hall.client.get("/agents")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_guessing_is_slowed_down_by_address_and_the_others_by_token(file_database: Database) -> None:
    console = console_over(file_database, rate=RateLimit(0.001, 3), wrong=RateLimit(0.001, 2))
    with client_of(console) as client, client_of(console) as second:
        wrong = {"Authorization": "Bearer kardus_0123456789ab_" + "x" * 43}
        assert [client.get("/agents", headers=wrong).status_code for _ in range(3)] == [401, 401, 429]
        found = [client.get("/agents") for _ in range(4)]
        assert [one.status_code for one in found] == [200, 200, 200, 429]
        assert int(found[-1].headers["retry-after"]) >= 1
        assert second.get("/agents").status_code == 200, "another token has its own"


def test_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k.sqlite"
    open_database(path, make=True).close()

    def tokens_command(*words: object) -> subprocess.CompletedProcess[str]:
        return call(capsys, main, "tokens", *words, "--database", path)

    made = tokens_command("make", "--name", "page", "--scope", "read", "--scope", "act")
    assert made.returncode == 0
    with open_database(path, make=False) as database:
        who = principal_of(database, made.stdout.strip())
        assert who is not None
        assert (who.name, sorted(who.scopes)) == ("page", ["act", "read"])
    listed = json.loads(tokens_command("list", "--json").stdout)
    assert [(one["name"], one["good"]) for one in listed] == [("page", True)]
    assert tokens_command("revoke", listed[0]["id"]).returncode == 0
    assert json.loads(tokens_command("list", "--json").stdout)[0]["good"] is False
    assert_one_line(tokens_command("revoke", "0"), 2, "token 0: there is none")
    assert_one_line(tokens_command("make", "--name", "x", "--scope", "all"), 2, "use read, pictures, act, teach, audit")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_can_be_printed(file_database: Database, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        make_token(file_database, name, ["read"], None)


def test_known_tokens_are_bounded(file_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.context.MAX_KNOWN", 2)
    console = console_over(file_database)
    for _ in range(4):
        with client_of(console) as client:
            assert client.get("/agents").status_code == 200
    assert isinstance(console.known, KnownTokens)
    assert len(console.known._found) <= 2

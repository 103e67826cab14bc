"""Every route of the page, by each role, with whatever an address or a form may hold: no server error; who may what."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from httpx2 import InvalidURL
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.scripts import page_routes
from tests.scripts.page_routes import role_of, routes
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import BASE, console_over
from tests.warehouse.console.test_acting import asking
from tests.warehouse.console.visiting import Browser
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.app import make_app
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.menu import PAGE_MODULES

__all__ = ["asking"]
CALLS, MANY = 150, 5000
ENDLESS = {"/live", "/signout"}
"""A stream; and the way out, after which nobody is in."""
UNASKED = (503, 504)
"""An agent is offline, or silent."""
DROPPED_S = 0.2
"""So soon a broker ends a connection that it doesn't like."""
GOOD = {"agent": "box", "camera": "cam", "location": "A-02-1", "code": "A-02-1", "name": "A"}
ODD = ["", "\x00", "\x01", "+", "#", "a/b", "box/commands/reload", " ", "$SYS", "%00", "../..", "x" * 5000]
WORDS = st.sampled_from([*ODD, "A-02-1", "box", "cam", "0", "-1", "9" * 30, "é漢", "a b", "'\"<"])
TEXTS = WORDS | st.text(max_size=30)
NAMES = [
    "code",
    "name",
    "agent",
    "camera",
    "location",
    "days",
    "part",
    "before",
    "aisle",
    "family",
    "next",
    "event",
    "sku",
    "last",
]
FIELDS = ["do", "name", "role", "password", "sku", "truth", "id", "alerts", "text", "bundle", "agent:box", "back:box"]


def test_the_table_of_routes_and_roles_is_current() -> None:
    assert page_routes.PAGE.read_text(encoding="utf-8") == page_routes.written(), (
        "run: python -m tests.scripts.page_routes"
    )


def test_no_route_is_beside_the_table_and_the_api(hall: Hall) -> None:
    app = make_app(hall.console)
    included = [one.original_router for one in app.routes if hasattr(one, "original_router")]
    pages = [part.router for part in PAGE_MODULES]
    assert all(any(one is router for one in included) for router in pages)
    described = set(app.openapi()["paths"])
    others = [route for router in included if not any(router is one for one in pages) for route in router.routes]
    assert {f"{BASE}{route.path}" for route in others if isinstance(route, APIRoute)} == described
    alone = {getattr(one, "path", "") for one in app.routes if not hasattr(one, "original_router")}
    assert alone == {"/healthz", f"{BASE}/openapi.json"}
    changing = [route for route in routes() if "POST" in (route.methods or ())]
    assert all(role_of(route) for route in changing if route.path not in page_routes.OPEN)


@st.composite
def calls(draw: st.DrawFn) -> tuple[APIRoute, Role, str, dict[str, str], dict[str, str]]:
    """A route, who asks, and with what."""
    route = draw(st.sampled_from([one for one in routes() if one.path not in ENDLESS]))
    path = route.path
    while "{" in path:
        begin, end = path.index("{"), path.index("}")
        path = path[:begin] + quote(draw(TEXTS), safe="").replace(".", "%2E") + path[end + 1 :]
    asked = draw(st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4))
    form = draw(st.dictionaries(st.sampled_from(FIELDS) | TEXTS, TEXTS, max_size=6))
    return route, draw(st.sampled_from(list(Role))), path, asked, form


@pytest.fixture(name="asked")
def _asked(hall: Hall, asking: AgentQuestions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """The server with a real broker, where no agent answers; whatever was called, its connection is the same."""
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 0.01)
    before = asking._session.connection
    yield console_over(hall.console.database, asking)
    assert not asking._session.problem
    time.sleep(DROPPED_S)
    assert asking._session.connection == before


def _crawl(console: Console, number: int) -> Counter[int]:
    seen: Counter[int] = Counter()
    browsers = {role: Browser(console, role) for role in Role}

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls())
    def call(chosen: tuple[APIRoute, Role, str, dict[str, str], dict[str, str]]) -> None:
        route, role, path, asked, form = chosen
        browser, needed = browsers[role], role_of(route)
        sent: dict[str, Any] = {"params": asked}
        method = next(iter(route.methods or {"GET"}))
        if method == "POST":
            sent["data"] = {**form, "csrf": browser.csrf}
        try:
            answer = browser.client.request(method, path, **sent)
        except InvalidURL:
            return  # no client could ask that
        seen[answer.status_code] += 1
        is_unasked = answer.status_code in UNASKED
        assert answer.status_code < 500 or is_unasked, (method, path, asked, form, answer.text)
        if needed is not None and role < needed:
            assert answer.status_code >= 400, (method, path, role)

    call()
    return seen


@pytest.mark.parametrize("word", ODD)
def test_no_name_breaks_a_route_or_the_connection_to_the_broker(asked: Console, word: str) -> None:
    browser = Browser(asked, Role.ADMINISTRATOR)
    for route in (one for one in routes() if one.path not in ENDLESS and "GET" in (one.methods or ())):
        names = [one.alias for one in route.dependant.query_params]
        for odd in names:
            sent = {name: word if name == odd else GOOD[name] for name in names if name == odd or name in GOOD}
            answer = browser.get(re.sub(r"{.*?}", "x", route.path), params=sent)
            assert answer.status_code < 500 or answer.status_code in UNASKED, (route.path, sent, answer.text)


def test_no_call_by_anybody_makes_the_page_fail(asked: Console) -> None:
    seen = _crawl(asked, CALLS)
    assert seen[200], seen  # some of it was a page, and some a refusal; how many, chance says
    assert seen[403], seen


@pytest.mark.slow
@pytest.mark.timeout(1800)  # each call is thought up by Hypothesis
def test_no_call_of_five_thousand_makes_the_page_fail(asked: Console) -> None:
    print(dict(_crawl(asked, MANY)))  # noqa: T201 - the figure

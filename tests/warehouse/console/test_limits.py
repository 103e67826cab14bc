"""What is too long is refused, what comes too often has to wait, and every answer has its headers."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from warehouse.console.app import make_app
from warehouse.console.limits import KNOWN_CLIENTS, MAX_BODY_BYTES, RateLimit, _length
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database


def test_a_body_and_an_address_have_a_largest_size(hall: Hall) -> None:
    long = hall.client.post("/looks", content=b" " * (MAX_BODY_BYTES + 1))
    assert (long.status_code, long.headers["content-type"]) == (413, "application/problem+json")

    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 10_000

    assert hall.client.post("/looks", content=endless()).status_code == 413
    assert hall.client.get("/events?location=" + "x" * 5000).status_code == 414
    assert hall.client.post("/looks", content=b"{" * 1000).status_code == 422
    assert hall.client.post("/looks", content=b"[" * 60_000).status_code in (400, 422)


def test_a_length_of_any_number_of_digits_is_a_length() -> None:
    scope = {"headers": [(b"content-length", b"9" * 5000)]}
    assert (_length(scope) or 0) > MAX_BODY_BYTES
    assert _length({"headers": [(b"content-length", b"0" * 5000 + b"7")]}) == 7


@pytest.mark.parametrize("path", ["/events", "/nothing", "/events?limit=0", "/evidence/x"])
def test_every_answer_has_the_headers_and_no_other_site_may_read_it(hall: Hall, path: str) -> None:
    found = hall.client.get(path, headers={"Origin": "https://elsewhere.example"})
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert found.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in found.headers if name.startswith("access-control")]
    asked = hall.client.options(path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
    assert asked.status_code in (404, 405)
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_a_mistake_of_ours_is_a_problem_without_a_traceback(
    file_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    console = console_over(file_database)
    monkeypatch.setattr("warehouse.console.api.devices._part", lambda *_: 1 / 0)
    with client_of(console) as client:
        found = client.get("/agents")
    assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
    assert "ZeroDivisionError" not in found.text
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_is_away_is_a_problem_that_says_when_to_come_again(hall: Hall) -> None:
    hall.client.get("/agents")
    hall.console.database.close()
    if hall.console.database.engine.dialect.name == "postgresql":
        hall.console.database.engine.url = hall.console.database.engine.url.set(port=1)
        pytest.MonkeyPatch().setattr(hall.console.database.engine, "connect", _away)
    found = hall.client.get("/agents")
    assert (found.status_code, found.headers["retry-after"]) == (503, "5")
    assert hall.client.get("http://testserver/healthz").status_code == 503


def _away() -> None:
    raise OperationalError("", {}, Exception("the server is away"))


def test_whether_it_works_is_told_without_a_token(hall: Hall) -> None:
    assert hall.client.get("http://testserver/healthz", headers={"Authorization": ""}).text == "ok\n"


def test_by_tls_alone_is_said_where_it_is_so(file_database: Database) -> None:
    console = console_over(file_database)
    with client_of(console) as client:
        assert "strict-transport-security" not in client.get("/agents").headers
        client.app = make_app(console, PageSettings(encrypted=True))
        client._transport.app = client.app  # type: ignore[attr-defined]
        assert "strict-transport-security" in client.get("/agents").headers


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2)), max_size=30))
def test_nobody_gets_more_than_the_rate_and_a_burst(asked: list[tuple[float, int]]) -> None:
    now = [0.0]
    limit = RateLimit(2.0, 5.0, lambda: now[0])
    allowed: dict[str, list[float]] = {}
    for pause, who in asked:
        now[0] += pause
        wait_s = limit.wait_s(str(who))
        assert 0 <= wait_s <= 0.5
        if not wait_s:
            allowed.setdefault(str(who), []).append(now[0])
    for times in allowed.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= 5 + 2 * (times[last] - times[first]) + 1e-6


def test_clients_that_are_remembered_are_bounded() -> None:
    limit = RateLimit(1, 1)
    for n in range(KNOWN_CLIENTS + 50):
        limit.wait_s(str(n))
    assert len(limit._left) == KNOWN_CLIENTS

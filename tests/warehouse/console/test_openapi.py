"""The API's description is current, and no call that it allows, or doesn't, makes the server fail."""

from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.scripts.openapi import PAGE, written
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from warehouse.console.app import make_app
from warehouse.console.limits import RateLimit

CALLS, PORTION, PORTIONS = 120, 500, 20
UNEXPECTED = ("/changes",)
"""Never ends: test_changes.py has it."""


def test_the_description_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), "run: python -m tests.scripts.openapi"


def test_it_is_openapi_3_1_and_describes_everything(hall: Hall) -> None:
    told = make_app(hall.console).openapi()
    assert told["openapi"].startswith("3.1")
    for path, ways in told["paths"].items():
        for method, operation in ways.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert operation["security"] == [{"token": []}], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    for name, schema in told["components"]["schemas"].items():
        for key, field in schema.get("properties", {}).items():
            assert field.get("description") or "$ref" in field or "enum" in field, f"{name}.{key}"


def _crawl(hall: Hall, calls: int) -> Counter[int]:
    """Call every operation with what its description allows, and with what it doesn't; how often which status came."""
    app = make_app(hall.console)
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    chosen = [one for one in operations if not one.path.endswith(UNEXPECTED)]
    assert len(chosen) == len(operations) - 1
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    cases = st.one_of([one.as_strategy(generation_mode=mode) for one in chosen for mode in modes])
    seen: Counter[int] = Counter()
    token = hall.client.headers["authorization"]
    client: Any = hall.client

    @settings(
        max_examples=calls,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def call(case: schemathesis.Case[Any]) -> None:
        found = case.call(session=client, headers={"authorization": token})
        seen[found.status_code] += 1
        no_broker = found.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "broker" in found.json()["detail"]
        assert found.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or no_broker, case.as_curl_command()
        if found.status_code >= HTTPStatus.BAD_REQUEST:
            assert found.headers["content-type"] == ["application/problem+json"], case.as_curl_command()

    call()
    return seen


def test_no_call_makes_the_server_fail(hall: Hall) -> None:
    seen = _crawl(hall, CALLS)
    assert seen[200], "how many of either is the luck of the draw"
    assert seen[422]


@pytest.mark.slow
@pytest.mark.timeout(3600)  # each call is thought up by Hypothesis: a guard over a portion, not a limit to all of them
@pytest.mark.parametrize("portion", range(1, PORTIONS + 1))
def test_no_call_of_ten_thousand_makes_the_server_fail(hall: Hall, portion: int) -> None:
    seen = _crawl(hall, PORTION)
    assert seen.total() >= PORTION
    print(portion, dict(seen))  # noqa: T201 - the figure


def test_the_limits_are_not_in_the_crawls_way(hall: Hall) -> None:
    limited = console_over(hall.console.database, rate=RateLimit(0.001, 1))
    with client_of(limited) as client:
        assert [client.get("/agents").status_code for _ in range(2)] == [200, 429]
        assert Path(PAGE).is_file()

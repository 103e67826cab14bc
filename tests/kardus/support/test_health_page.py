"""The page of a command that runs for good: what it answers to people, to Prometheus and to probes."""

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest

from kardus.support.errors import UsageError
from kardus.support.health_page import HealthPage, HealthReport, health_report


@dataclass
class Counted:
    """As a command has it."""

    done: int = 0
    connected: bool = False
    problem: str = ""


def test_metrics_are_numbers_also_of_what_is_true_or_said() -> None:
    told = health_report("kardus_x_", {"done"}, {"": Counted(7, connected=True, problem="away")})
    assert told.metrics.splitlines() == [
        "# TYPE kardus_x_done_total counter",
        "kardus_x_done_total 7",
        "# TYPE kardus_x_connected gauge",
        "kardus_x_connected 1",
        "# TYPE kardus_x_problem gauge",
        "kardus_x_problem 1",
    ]
    assert told.content == {"done": 7, "connected": True, "problem": "away"}
    assert told.problems == ("away",)


def test_of_several_each_has_its_name() -> None:
    told = health_report("kardus_x_", {"done"}, {"a": Counted(1), "b": Counted(2, problem="away")}, "target")
    assert 'kardus_x_done_total{target="b"} 2' in told.metrics
    assert (told.content["a"]["done"], told.problems) == (1, ("b: away",))


def test_when_the_own_certificate_ends_is_among_the_metrics() -> None:
    told = health_report("kardus_x_", (), {"": Counted()}, expiry=datetime(2026, 12, 1, tzinfo=UTC))
    assert told.metrics.splitlines()[-2:] == [
        "# TYPE kardus_x_certificate_expiry_timestamp_seconds gauge",
        "kardus_x_certificate_expiry_timestamp_seconds 1796083200.0",
    ]
    assert "certificate" not in health_report("kardus_x_", (), {"": Counted()}).metrics


@pytest.mark.parametrize(("problem", "status"), [("", 200), ("away", 503)])
def test_what_is_wrong_is_answered_to_a_probe_of_readiness_and_to_none_of_life(problem: str, status: int) -> None:
    with HealthPage("127.0.0.1", 0, lambda: health_report("x_", (), {"": Counted(problem=problem)})) as page:
        answers = {path: httpx2.get(f"http://127.0.0.1:{page.port}{path}") for path in ("/", "/healthz", "/readyz")}
        other = httpx2.get(f"http://127.0.0.1:{page.port}/other")
    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/": status,
        "/healthz": 200,
        "/readyz": status,
    }
    assert answers["/readyz"].json() == {"ok": not problem, "problems": [problem] if problem else []}
    assert (other.status_code, other.text) == (404, "/, /healthz, /readyz, /metrics\n")


def test_an_address_that_is_taken_is_said() -> None:
    with (
        HealthPage("127.0.0.1", 0, lambda: health_report("x_", (), {"": Counted()})) as page,
        pytest.raises(UsageError, match=f"--health 127.0.0.1:{page.port}: can't be listened to"),
    ):
        HealthPage("127.0.0.1", page.port, lambda: health_report("x_", (), {"": Counted()}))


def test_that_the_command_runs_is_said_without_asking_how_it_goes() -> None:
    """Which may take a minute, where a database is away: a command that runs would be ended for it."""

    def asked() -> HealthReport:
        raise AssertionError

    with HealthPage("127.0.0.1", 0, asked) as page:
        answers = [httpx2.get(f"http://127.0.0.1:{page.port}{path}") for path in ("/healthz", "/other")]
    assert [answer.status_code for answer in answers] == [200, 404]

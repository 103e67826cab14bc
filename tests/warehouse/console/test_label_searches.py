"""Labels are looked for while no request waits: one search a camera, a few for all, with a way to stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from httpx2 import Response

from kardus.contract.commands import Reply
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_acting import agents, asking
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.label_searches import MAX_SEARCHES

__all__ = ["asking"]  # a fixture
Later = list[tuple[str, dict[str, Any]]]


class Desk:
    """Somebody who lays cameras out."""

    def __init__(self, browser: Browser) -> None:
        """By his browser."""
        self._browser = browser

    def find(self, camera: str = "cam", side: str = "below") -> Response:
        """Begin."""
        return self._post("find", {"agent": "box", "camera": camera, "side": side})

    def stop(self, search: str) -> Response:
        """End it."""
        return self._post("stop", {"search": search})

    def found(self, search: str) -> Response:
        """Ask what came of it."""
        return self._browser.get("/commission/found", params={"search": search})

    def end_of(self, search: str, within_s: float = PATIENCE_S) -> Response:
        """What came of it, when it is over."""
        wait_for(lambda: self.found(search).status_code != 202, within_s)
        return self.found(search)

    def _post(self, what: str, body: dict[str, str]) -> Response:
        headers = {"X-CSRF-Token": self._browser.csrf, "HX-Request": "true"}
        answer: Response = self._browser.client.post(f"/commission/{what}", json=body, headers=headers)
        return answer


@contextmanager
def at_work(
    hall: Hall, broker: Mosquitto, asking: AgentQuestions, answer: Callable[[str, dict[str, Any]], Reply | None]
) -> Iterator[tuple[Desk, Later]]:
    """A desk, and what its agents are asked."""
    console = console_over(hall.console.database, asking)
    with agents(broker, answer) as asked:
        yield Desk(Browser(console, Role.SUPERVISOR)), asked


def silent(name: str, said: dict[str, Any]) -> None:
    """An agent that is still looking."""


def test_a_search_runs_on_its_own_and_is_one_for_each_camera(
    hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    with at_work(hall, mosquitto, asking, silent) as (desk, asked):
        begun = desk.find()
        assert begun.status_code == 202, "nobody waits for it"
        search = begun.json()["search"]
        assert desk.find().json()["search"] == search
        assert desk.find(side="above").status_code == 409
        told = desk.found(search)
        assert (told.status_code, told.json()["limit_s"]) == (202, 90)
        wait_for(lambda: bool(asked))
        reply = Reply(command="find-labels", ok=True, correlation=asked[0][1]["correlation"], result={"proposals": []})
        connection = asking._session.connection
        assert connection is not None
        asking._session.publish(
            connection, asked[0][1]["response_topic"], reply.model_dump_json().encode(), retain=False
        )
        assert desk.end_of(search).json() == {"proposals": []}
        assert len(asked) == 1


def test_a_search_is_stopped_at_once_and_another_may_begin(
    hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    with at_work(hall, mosquitto, asking, silent) as (desk, _):
        first = desk.find().json()["search"]
        assert desk.stop(first).status_code == 204
        assert desk.end_of(first).status_code == 410
        assert desk.find(side="above").status_code == 202
        assert desk.found("x").status_code == 404


def test_a_few_run_at_once(hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions) -> None:
    with at_work(hall, mosquitto, asking, silent) as (desk, _):
        running = [desk.find(f"cam-{n}").json()["search"] for n in range(MAX_SEARCHES)]
        assert desk.find("one-more").status_code == 429
        desk.stop(running[0])
        assert desk.end_of(running[0]).status_code == 410
        assert desk.find("one-more").status_code == 202


def test_what_the_agent_refuses_is_told_in_its_words(hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions) -> None:
    def refuse(name: str, said: dict[str, Any]) -> Reply:
        return Reply(
            command=name, ok=False, correlation=said["correlation"], error="there is no camera 'cam'", result={}
        )

    with at_work(hall, mosquitto, asking, refuse) as (desk, _):
        told = desk.end_of(desk.find().json()["search"])
        assert (told.status_code, told.text) == (409, "there is no camera 'cam'")

"""What the WMS received in a test, as it would keep it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from kardus.contract.topics import agents_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.agents import SITE
from tests.contract_schemas import problems
from tests.patience import PATIENCE_S

WAIT_S = PATIENCE_S
ASK_AGAIN_S = 0.2
"""Where a condition looks at something else too, a camera's requests say, nobody tells when that changes."""


class WmsSide:
    """Subscribes to everything of the site and remembers it; use it in a `with` statement."""

    def __init__(self, port: int, broker: BrokerSettings | None = None, *, judged: bool = True) -> None:
        """Connect, to a port of this machine or as `broker` says. Pictures aren't kept.

        `judged`: what comes must be as the contract says, at the end; not where the test itself publishes what isn't.
        """
        self._judged = judged
        self.cleared: set[str] = set()
        """Topics whose retained message was taken back."""
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._connection = MqttClient(
            broker or BrokerSettings("127.0.0.1", port), [(agents_filter(SITE), 1)], self._take
        )

    def __enter__(self) -> Self:
        """Already connected."""
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Disconnect; everything that was seen must be as the published contract says."""
        self._connection.close()
        if failure is None and self._judged:
            assert [problem for topic, message in self.messages for problem in problems(topic, message)] == []

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event that arrived, repeated ones included, with the envelope's id."""
        return [{**m["data"], "id": m["id"]} for topic, m in list(self.messages) if topic.endswith("/events")]

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The last state of each location."""
        return {m["data"]["location"]: m["data"] for topic, m in list(self.messages) if topic.endswith("/state")}

    @property
    def statuses(self) -> list[str]:
        """The agent's status messages, in order."""
        return [m["data"]["status"] for topic, m in list(self.messages) if topic.endswith("/status")]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until what arrived fulfils a condition, which may also ask what no message tells."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s"
                self._changed.wait(ASK_AGAIN_S)

    def _take(self, topic: str, payload: bytes) -> None:
        with self._changed:
            if "/commands/" in topic:
                return  # anybody's, and not always JSON
            if payload and "/evidence/" not in topic:
                self.messages.append((topic, json.loads(payload)))
            elif not payload:
                self.cleared.add(topic)
            self._changed.notify_all()


def is_told_that_stock_may_come(wms: WmsSide, location: str) -> bool:
    """Whether a state of the location ever said so: the next one may have come by now."""
    states = [message["data"] for topic, message in list(wms.messages) if topic.endswith("/state")]
    return any(one["location"] == location and "stock may be on its way" in one.get("reason", "") for one in states)

"""Reads expected stock by its exact topics: some brokers (RabbitMQ) give a wildcard nothing that is retained."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from kardus.contract.messages import Expected
from kardus.contract.topics import expected_topic, location_of
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings

PORTION = 2000
"""So many locations are asked for over one connection."""
SAMPLE = 500
"""If the broker holds none of so many locations, it holds none."""
QUIET_S = 0.5
"""What is retained is taken to be there when nothing has come for so long."""


@dataclass
class ReadBack:
    """What the broker holds."""

    found: dict[str, Expected] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    """Topics that it answered with and that nobody had asked for: it makes others of some."""


def read_by_name(broker: BrokerSettings, site: str, locations: Sequence[str]) -> ReadBack:
    """What the broker holds for these locations. What isn't valid is passed over.

    Raises:
        BrokerError: the broker can't be reached.
    """
    result = ReadBack()
    for start in range(0, len(locations), PORTION):
        _read(broker, site, locations[start : start + PORTION], result)
    return result


def read_listed(broker: BrokerSettings, site: str, locations: Sequence[str]) -> dict[str, Expected]:
    """The same of a list, after a look at its beginning.

    Raises:
        BrokerError: the broker can't be reached.
    """
    found = read_by_name(broker, site, locations[:SAMPLE]).found
    return found | read_by_name(broker, site, locations[SAMPLE:]).found if found else {}


def _read(broker: BrokerSettings, site: str, locations: Sequence[str], result: ReadBack) -> None:
    arrived = threading.Event()

    def take(topic: str, payload: bytes) -> None:
        arrived.set()
        location = location_of(topic)
        if location is None:
            result.strays.append(topic)
            return
        try:
            result.found[location] = Expected.model_validate_json(payload)
        except ValidationError:
            return

    # QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large retained set silently
    with MqttClient(broker, [(expected_topic(site, location), 0) for location in locations], take):
        while not result.found.keys() >= set(locations) and arrived.wait(QUIET_S):
            arrived.clear()

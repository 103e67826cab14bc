"""Reads the expected stock that a broker retains: all of it by a wildcard, or by the locations' own topics.

Some brokers give a wildcard nothing that is retained (RabbitMQ), and others drop what they can't queue for one client
(Mosquitto, beyond `max_queued_messages`, QoS 0 too).
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from kardus.contract.messages import Expected
from kardus.contract.topics import expected_filter, expected_topic, location_of
from kardus.mqtt.client import MqttClient
from kardus.mqtt.retained import RetainedAnswer
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.subscriber import SUBSCRIBE_PORTION
from kardus.support.errors import BrokerError
from kardus.support.identifiers import uuid7

LOCATIONS_PER_CONNECTION = SUBSCRIBE_PORTION - 1
"""So many locations are asked for over one connection: with the echo they are one portion of subscriptions, and nothing
waits for another. With one more each of them took ten times as long."""
SAMPLE = 500
"""If the broker holds none of so many locations, it holds none."""


@dataclass
class RetainedStock:
    """What the broker gave a wildcard subscription."""

    found: dict[str, Expected] = field(default_factory=dict)
    is_complete: bool = True
    """Whether a message that was published after the subscription came back behind it all."""


@dataclass
class ReadBack:
    """The expected stock that a broker retains."""

    found: dict[str, Expected] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    """What it was asked for and doesn't hold: it gave none of these, and then what was published behind them."""
    strays: list[str] = field(default_factory=list)
    """Topics that it answered with and that nobody had asked for: it makes others of some."""


def read_expected(broker: BrokerSettings, site: str) -> RetainedStock:
    """The expected stock that is retained on the broker. What isn't valid is passed over: it will be replaced.

    Raises:
        BrokerError: nothing comes back, not even what is published then.
    """
    result, answer = RetainedStock(), RetainedAnswer()
    echo = expected_topic(site, f"$echo-{uuid7()}")

    def take(topic: str, payload: bytes) -> None:
        if topic != echo:
            _take(site, topic, payload, result.found)
        answer.note(is_echo=topic == echo)

    # QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large retained set silently.
    with MqttClient(broker, [(expected_filter(site), 0)], take) as connection:
        connection.send(echo, b"")
        result.is_complete = answer.wait()
    if not (result.is_complete or result.found):
        raise BrokerError(
            f"{broker.address}: the broker doesn't give back what is published under {site}/expected: "
            "check the user's rights to publish and to read there"
        )
    return result


def _take(site: str, topic: str, payload: bytes, found: dict[str, Expected]) -> None:
    """Note what is valid, and not of an earlier version, which had other topics for some locations."""
    location = location_of(topic)
    if location is not None and expected_topic(site, location) == topic:
        with contextlib.suppress(ValidationError):
            found[location] = Expected.model_validate_json(payload)


def read_by_name(broker: BrokerSettings, site: str, locations: Sequence[str]) -> ReadBack:
    """What the broker holds for these locations. What isn't valid is passed over.

    Of what it can't queue for one client a broker drops the rest: as long as some come, the others are asked for again.

    Raises:
        BrokerError: the broker can't be reached.
    """
    result = ReadBack()
    for start in range(0, len(locations), LOCATIONS_PER_CONNECTION):
        asked, before, is_answered = locations[start : start + LOCATIONS_PER_CONNECTION], -1, False
        while asked and before < len(result.found):
            before = len(result.found)
            is_answered = _read(broker, site, asked, result)
            asked = [location for location in asked if location not in result.found]
        result.lacking.update(asked if is_answered else ())
    return result


def read_listed(broker: BrokerSettings, site: str, locations: Sequence[str]) -> dict[str, Expected]:
    """The same of a list, after a look at some of it from its beginning to its end: halls may be on the broker or not.

    Raises:
        BrokerError: the broker can't be reached.
    """
    step = -(-len(locations) // SAMPLE) or 1
    found = read_by_name(broker, site, locations[::step]).found
    others = [location for place, location in enumerate(locations) if place % step]
    return found | read_by_name(broker, site, others).found if found else {}


def _read(broker: BrokerSettings, site: str, locations: Sequence[str], result: ReadBack) -> bool:
    """Whether the broker came to the end of its answer."""
    answer, echo = RetainedAnswer(), expected_topic(site, f"$echo-{uuid7()}")

    def take(topic: str, payload: bytes) -> None:
        if topic != echo:
            if location_of(topic) is None:
                result.strays.append(topic)
            _take(site, topic, payload, result.found)
        answer.note(is_echo=topic == echo)

    # QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large retained set silently
    filters = [(expected_topic(site, location), 0) for location in locations]
    with MqttClient(broker, [*filters, (echo, 0)], take) as connection:
        connection.send(echo, b"")
        return answer.wait(lambda: result.found.keys() >= set(locations))

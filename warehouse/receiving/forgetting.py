"""`kardus-wms forget`: an agent that won't come back leaves the broker and the report."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from kardus.contract.messages import AgentStatus, Envelope
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.retained import RetainedAnswer
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError, DataError, UsageError
from warehouse.store.address import DatabaseAddress
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database, StoreError
from warehouse.store.opening import open_database
from warehouse.store.reader import SiteState, StoreReader

TOPICS_PER_PUBLISH = 200
MAX_FRUITLESS_ROUNDS = 5
"""So many polls may find nothing but what was cleared before; then somebody publishes it again and again."""
Retained = dict[str, bytes]
"""Payloads by topic."""


@dataclass(frozen=True)
class ForgottenAgent:
    """What was cleared away of an agent that was forgotten."""

    topics: int
    """Cleared on the broker."""
    alerts: int
    """Closed in the database."""


def forget_agent(
    broker: BrokerSettings,
    agent: str,
    *,
    site: str = "",
    database: DatabaseAddress | Path | str | None = None,
    confirmed: bool = False,
) -> ForgottenAgent:
    """Clear an agent's topics on the broker, and close its alerts in the database where one is given.

    A receiver that is connected meanwhile closes them in its own. Without a site it is the database's.

    Raises:
        UsageError: the agent is online and that isn't confirmed, is known to nobody, or no site is given.
        DataError: the database can't be used.
        BrokerError: the broker can't be reached, doesn't let us clear the topics, or gets them again and again.
    """
    with contextlib.ExitStack() as closing:
        opened = closing.enter_context(contextlib.closing(open_database(database, make=False))) if database else None
        reader = StoreReader(opened) if opened else None
        topics = Topics(_site(site, reader), agent)
        known = _known_topics(topics, reader)
        retained = _read_retained(broker, topics, known)
        if not retained and not (reader and reader.knows(agent)):
            raise UsageError(
                f"agent '{agent}': neither broker nor database knows it: check its name, --site and --database"
            )
        if not confirmed and _is_online(retained.get(topics.status, b"")):
            raise UsageError(f"agent '{agent}' is online and would come back: stop it first, or give --yes")
        alerts = _close_alerts(opened, agent) if opened else 0
        return ForgottenAgent(_clear(broker, topics, retained, known), alerts)


def _close_alerts(database: Database, agent: str) -> int:
    try:
        with database.writing() as connection:
            return forget_stored(database, connection, agent)
    except StoreError as error:
        raise DataError(f"{database.address}: can't be written ({error}): try again, or check the disk") from error


def _site(site: str, reader: StoreReader | None) -> str:
    if reader is None:
        if not site:
            raise UsageError("--site: say which site the agent is of, or name its database with --database")
        return site
    found = reader.site()
    if site not in ("", found):
        raise UsageError(f"--database: holds the events of site '{found}', not '{site}': name another database")
    return found


def _known_topics(topics: Topics, reader: StoreReader | None) -> list[str]:
    """Those that an agent has, and those that the database knows of: some brokers give wildcards nothing retained."""
    state = reader.site_state() if reader else SiteState({}, {}, {}, {})
    locations = [topics.state(location) for agent, location in state.states if agent == topics.agent]
    cameras = [topics.health(camera) for agent, camera in state.cameras if agent == topics.agent]
    return [*locations, *cameras, topics.coverage, topics.model, topics.lost, topics.ack, topics.status]


def _read_retained(broker: BrokerSettings, topics: Topics, known: Sequence[str]) -> Retained:
    """What the broker retains of an agent. It is complete when a message published after the subscription has come."""
    found: Retained = {}
    answer = RetainedAnswer()

    def keep(topic: str, payload: bytes) -> None:
        if payload:
            found[topic] = payload
        answer.note()

    def take(topic: str, payload: bytes) -> None:  # some brokers don't say what they have retained
        if not _is_passing(topics, topic):
            keep(topic, payload)
        if topic == topics.ack and not payload:
            answer.note(is_echo=True)

    filters = [(f"{topics.base}/#", 0), *((topic, 0) for topic in known)]
    with MqttClient(broker, filters, take, on_retained=keep) as connection:
        connection.publish([(topics.ack, b"")], retain=False)  # an agent that hears it does nothing
        if not answer.wait():
            raise BrokerError(
                f"{broker.address}: the broker doesn't give back what is published to {topics.ack}: "
                "check the user's rights to publish and to read there"
            )
    return found


def _is_passing(topics: Topics, topic: str) -> bool:
    """Whether a topic is one of those where nothing is to be retained: what comes there is for those who listen now."""
    parts = topic.removeprefix(f"{topics.base}/").split("/")
    return parts[0] == "commands" or parts[2:3] in (["events"], ["evidence"])


def _is_online(payload: bytes) -> bool:
    try:
        return Envelope[AgentStatus].model_validate_json(payload).data.status == "online"
    except ValidationError:
        return False


def _clear(broker: BrokerSettings, topics: Topics, retained: Retained, known: Sequence[str]) -> int:
    """Clear topics until a poll finds nothing that is retained; how many.

    Some come meanwhile, and of many a broker gives a part. What an access list doesn't let us clear where nothing is
    to be retained holds up nothing else.
    """
    cleared: Retained = {}
    came_back = 0
    barred: dict[str, str] = {}
    """Why they aren't cleared."""
    while left := {topic: payload for topic, payload in retained.items() if topic not in barred}:
        names = _next_to_clear(topics, left)
        came_back += cleared.keys() >= set(names)
        if came_back > MAX_FRUITLESS_ROUNDS:
            raise BrokerError(f"{names[0]}: comes back as often as it is cleared: stop the agent, and forget it again")
        refused = _clear_mistaken(broker, names) if _is_passing(topics, names[0]) else _publish_cleared(broker, names)
        cleared |= {name: left[name] for name in names}
        retained = _read_retained(broker, topics, known)
        for name in (name for name in names if retained.get(name) == cleared[name]):  # MQTT 3.1.1 can't refuse
            said = f"{name}: the broker doesn't clear it: check the user's right to publish there"
            if not _is_passing(topics, name):
                raise BrokerError(said)
            barred[name] = refused.get(name, said)
    for said in barred.values():
        done = len(cleared) - len(barred)
        raise BrokerError(
            f"{said}; {len(barred)} topics stay so, the other {done} of agent '{topics.agent}' are cleared"
        )
    return len(cleared)


def _next_to_clear(topics: Topics, retained: Retained) -> list[str]:
    """First what agents retain, then what somebody retained by mistake, which an access list may not let us clear.

    The status goes last: as long as it stands the work isn't done.
    """
    others = sorted(retained.keys() - {topics.status})
    mistaken = [topic for topic in others if _is_passing(topics, topic)]
    return [topic for topic in others if topic not in mistaken] or mistaken or [topics.status]


def _publish_cleared(broker: BrokerSettings, names: Sequence[str]) -> dict[str, str]:
    """Clear these topics; nothing is refused, or it raises."""
    with MqttClient(broker) as connection:
        for start in range(0, len(names), TOPICS_PER_PUBLISH):
            connection.publish([(name, b"") for name in names[start : start + TOPICS_PER_PUBLISH]], retain=True)
    return {}


def _clear_mistaken(broker: BrokerSettings, names: Sequence[str]) -> dict[str, str]:
    """Clear these topics, each by itself; why some were refused."""
    refused: dict[str, str] = {}
    with MqttClient(broker) as connection:
        for name in names:
            try:
                connection.publish([(name, b"")], retain=True)
            except BrokerError as error:
                refused[name] = str(error)
    return refused

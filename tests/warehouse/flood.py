"""A broker that holds more states than it can queue for a client."""

from datetime import UTC, datetime
from pathlib import Path

from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.publishers import Message, Publisher
from tests.warehouse.report.racks import changed

LONG = "x" * 40_000
"""As a reason: so many states are more than a connection holds."""


def announced(agent: Publisher, locations: int) -> Message:
    """Its status: it watches so many locations."""
    return agent._writer.online(locations, "0.1.0", datetime.now(UTC))


def flooded_broker(folder: Path) -> Mosquitto:
    """One that is running, with 20 MB of states of eight agents, and that queues 20 messages."""
    broker = Mosquitto(folder, extra="max_queued_messages 20\n")
    broker.start()
    with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as client:
        for agent in map(Publisher, "abcdefgh"):
            states = [changed(agent.state(f"A-{n}", Verdict.STALE), reason=LONG) for n in range(50)]
            client.publish([*states, announced(agent, 50)], retain=True)
    return broker

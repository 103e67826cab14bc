"""How soon a change in the WMS's database is with a subscriber in the agent's place, over the running command."""

import subprocess
import threading
from pathlib import Path

import pytest

from kardus.contract.messages import Expected
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.clusters import Cluster
from tests.conftest import BIN
from tests.patience import PATIENCE_S, within
from tests.publishers import SITE

POLL_S = 1.0
CONFIG = """poll_s = {poll_s}
[source]
kind = "sql"
url = "{url}"
managed = "SELECT code AS location FROM places"
stock = "SELECT code AS location, sku FROM places"
"""


@pytest.mark.parametrize(
    ("listen", "poll_s", "promised_s"),
    [('listen = "stock"', 86_400, 2.0), ("", POLL_S, POLL_S + 1)],
    ids=["NOTIFY", "polled"],
)
def test_a_change_is_with_the_agent_in_the_promised_time(  # noqa: PLR0917 - fixtures
    listen: str, poll_s: float, promised_s: float, cluster: Cluster, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    name = cluster.make_database()
    cluster.execute(
        "CREATE TABLE places AS SELECT 'A-' || n AS code, 'Tea' AS sku FROM generate_series(1, 600) n", name
    )
    url = cluster.url(name).replace("postgresql://", "postgresql+psycopg://")
    (tmp_path / "sync.toml").write_text(CONFIG.format(poll_s=poll_s, url=url) + listen, encoding="utf-8")
    broker = ["--site", SITE, "--host", "127.0.0.1", "--port", str(mosquitto.port)]
    heard: dict[str, threading.Event] = {sku: threading.Event() for sku in ("Tea", "Milk", "Juice", "Noodles")}

    def hear(_: str, payload: bytes) -> None:
        if payload:
            heard[Expected.model_validate_json(payload).sku or ""].set()

    topics = [(f"kardus/v1/{SITE}/expected/A-600", 1)]
    with (
        MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), topics, hear),
        subprocess.Popen([str(BIN / "kardus-wms"), "sync", str(tmp_path / "sync.toml"), *broker]) as process,
    ):
        try:
            assert heard["Tea"].wait(PATIENCE_S)
            for sku in ("Milk", "Juice", "Noodles"):
                with within(promised_s):
                    cluster.execute(f"UPDATE places SET sku = '{sku}' WHERE code = 'A-600'; NOTIFY stock", name)  # noqa: S608 - a constant
                    assert heard[sku].wait(PATIENCE_S)
        finally:
            process.terminate()

"""FAULTS 31: the shipped Mosquitto configuration lets nobody speak or listen under another's name."""

import queue
import threading
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from kardus.contract.homeassistant import discovery_topic, status_topic
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.client import MqttClient
from kardus.mqtt.tls import client_context
from kardus.support.errors import BrokerError
from tests.agents import SITE
from tests.deploy.site import HOST, SETTINGS, Site
from tests.patience import PATIENCE_S
from warehouse.authority.acl import acl_text
from warehouse.authority.roles import CertificateRole
from warehouse.receiving.forgetting import forget_agent
from warehouse.stock.publishing import publish_stock
from warehouse.stock.read_back import read_expected
from warehouse.stock.stock_list import StockLine

OWN, OTHER = Topics(SITE, "box-1"), Topics(SITE, "box-2")
WAIT_S = PATIENCE_S
Messages = queue.SimpleQueue[tuple[str, bytes]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all of them: nobody changes it."""
    made = Site(tmp_path_factory.mktemp("site"))
    for name in (OWN.agent, OTHER.agent):
        made.files(CertificateRole.DEVICE, name)
    made.files(CertificateRole.HOME_ASSISTANT, "home")
    made.start()
    yield made
    made.mosquitto.kill()


def _writes(topics: Topics) -> list[str]:
    return [
        topics.status,
        topics.coverage,
        topics.health("c"),
        topics.state("A 1"),
        topics.events("A 1"),
        topics.evidence("A 1", "e"),
        f"{topics.replies}/who/asked",
        discovery_topic("homeassistant", topics),
    ]


@pytest.mark.parametrize("topic", _writes(OWN))
def test_a_device_publishes_under_its_own_name(site: Site, topic: str) -> None:
    with MqttClient(site.broker(CertificateRole.DEVICE, OWN.agent)) as device:
        device.publish([(topic, b"{}")], retain=True)


@pytest.mark.parametrize(
    "topic",
    [
        *_writes(OTHER),
        OWN.ack,
        OWN.command("reload"),
        OTHER.ack,
        OTHER.command("reload"),
        expected_topic(SITE, "A 1"),
        Topics("another-site", OWN.agent).status,
        status_topic("homeassistant"),
        f"{OWN.base}/anything",
        "anything",
    ],
)
def test_a_device_publishes_nothing_else(site: Site, topic: str) -> None:
    with (
        MqttClient(site.broker(CertificateRole.DEVICE, OWN.agent)) as device,
        pytest.raises(BrokerError, match="Not authorized"),
    ):
        device.publish([(topic, b"{}")], retain=False)


def test_a_device_reads_nothing_of_another_whatever_it_subscribes_to(site: Site) -> None:
    seen: Messages = queue.SimpleQueue()
    stock = expected_topic(SITE, "A 1")  # everybody's, and retained where another test has published it

    def take(topic: str, payload: bytes) -> None:
        if topic != stock:
            seen.put((topic, payload))

    everything = [("#", 1), (f"{OTHER.base}/#", 1), (OWN.commands_filter, 1), (OTHER.commands_filter, 1), ("$SYS/#", 1)]
    with (
        MqttClient(site.broker(CertificateRole.DEVICE, OTHER.agent)) as other,
        MqttClient(site.broker(CertificateRole.WMS, "receiver")) as wms,
        MqttClient(site.broker(CertificateRole.DEVICE, OWN.agent), everything, take),
    ):
        other.publish([(topic, b"secret") for topic in _writes(OTHER)], retain=False)
        wms.publish([(OTHER.command("reload"), b"secret"), (OTHER.ack, b"secret")], retain=False)
        wms.publish([(OWN.command("reload"), b"mine")], retain=False)  # sent last: what came before it is all there is
        assert seen.get(timeout=WAIT_S) == (OWN.command("reload"), b"mine")
        wms.publish([(OWN.ack, b"mine")], retain=False)
        while (found := seen.get(timeout=WAIT_S))[0] != OWN.ack:
            assert found[0] == OWN.command("reload")
    assert seen.empty()


def test_the_wms_side_publishes_expected_stock_commands_and_acknowledgements(site: Site) -> None:
    broker = site.broker(CertificateRole.WMS, "receiver")
    publish_stock(broker, SITE, [StockLine("A 1", "tea")], replace=True)
    assert read_expected(broker, SITE).found["A 1"].sku == "tea"
    assert read_expected(site.broker(CertificateRole.WMS, "receiver"), SITE).found
    with MqttClient(broker) as wms:
        wms.publish([(OWN.command("capture"), b"{}"), (OWN.ack, b"{}")], retain=False)
    with MqttClient(broker) as wms, pytest.raises(BrokerError, match="Not authorized"):
        wms.publish([(OWN.events("A 1"), b"{}")], retain=False)


def test_the_wms_side_clears_what_a_forgotten_agent_retained(site: Site) -> None:
    retained = [topic for topic in _writes(OTHER) if topic.startswith(f"{OTHER.base}/")]
    passing = {OTHER.events("A 1"), OTHER.evidence("A 1", "e")}
    with MqttClient(site.broker(CertificateRole.DEVICE, OTHER.agent)) as device:
        device.publish([(topic, b"{}") for topic in retained if topic not in passing], retain=True)
    done = forget_agent(site.broker(CertificateRole.WMS, "receiver"), OTHER.agent, site=SITE)
    assert done.topics == len(set(retained) - passing)


def test_home_assistant_reads_what_it_shows_and_says_that_it_is_online(site: Site) -> None:
    seen: Messages = queue.SimpleQueue()
    with (
        MqttClient(site.broker(CertificateRole.DEVICE, OWN.agent)) as device,
        MqttClient(site.broker(CertificateRole.HOME_ASSISTANT, "home"), [("#", 1)], lambda *m: seen.put(m)) as home,
    ):
        device.publish(
            [(OWN.events("A 1"), b"not for it"), (discovery_topic("homeassistant", OWN), b"d")], retain=False
        )
        device.publish([(OWN.state("A 1"), b"s")], retain=False)
        home.publish([(status_topic("homeassistant"), b"online")], retain=False)
        found: set[bytes] = set()
        while b"online" not in found:
            found.add(seen.get(timeout=WAIT_S)[1])
        assert found >= {b"d", b"s"}
        assert b"not for it" not in found
        with pytest.raises(BrokerError, match="Not authorized"):
            home.publish([(OWN.command("reload"), b"{}")], retain=False)


def test_a_device_that_is_deleted_in_home_assistant_stays_deleted(site: Site) -> None:
    document = discovery_topic("homeassistant", OTHER)
    with MqttClient(site.broker(CertificateRole.DEVICE, OTHER.agent)) as device:
        device.publish([(document, b"d")], retain=True)
    with MqttClient(site.broker(CertificateRole.HOME_ASSISTANT, "home")) as home:
        home.publish([(document, b"")], retain=True)  # as it does
        with pytest.raises(BrokerError, match="Not authorized"):
            home.publish([(OTHER.status, b"")], retain=True)
    seen: Messages = queue.SimpleQueue()
    with MqttClient(
        site.broker(CertificateRole.HOME_ASSISTANT, "home"), [(document, 1)], lambda *message: seen.put(message)
    ) as home:
        home.publish([(document, b"")], retain=False)
        assert seen.get(timeout=WAIT_S) == (document, b""), "nothing was retained before it"


def test_a_client_that_calls_itself_like_another_pushes_nobody_out(site: Site) -> None:
    """The client id is the certificate's name, whatever the client says that it is."""
    files = site.files(CertificateRole.DEVICE, OWN.agent)
    connected = threading.Event()
    with MqttClient(site.broker(CertificateRole.DEVICE, OTHER.agent)) as other:
        intruder = paho.Client(CallbackAPIVersion.VERSION2, client_id=OTHER.agent, protocol=paho.MQTTv5)
        intruder.tls_set_context(client_context(files))
        intruder.on_connect = lambda *_: connected.set()
        intruder.connect(HOST, site.mosquitto.port)
        intruder.loop_start()
        assert connected.wait(WAIT_S)
        other.publish([(OTHER.status, b"{}")], retain=False)
        intruder.disconnect()
        intruder.loop_stop()


def test_the_access_list_of_the_example_is_what_the_authority_writes() -> None:
    shipped = SETTINGS.with_name("acl.example").read_text()
    assert shipped == acl_text("jakarta-1", ["wms-receiver", "wms-stock"], ["home-assistant"])

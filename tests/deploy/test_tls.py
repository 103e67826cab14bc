"""FAULTS 30: whatever is wrong with the broker's TLS, nothing is sent, everything is kept, and it goes on by itself."""

import contextlib
import queue
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.config.sections import MqttSection
from edge_agent.records import Message
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Handlers, Options
from kardus.mqtt.session import MqttSession
from tests.agents import SITE
from tests.brokers import Mosquitto
from tests.deploy.site import HOST, Site, install
from tests.listeners import listener
from tests.patience import PATIENCE_S
from tests.proxies import recording_link
from warehouse.authority.certificates import CertificateKeyPair, make_authority, make_certificate, read_pair
from warehouse.authority.roles import CertificateRole

WAIT_S = PATIENCE_S
NAME = "box-1"
TOPIC = Topics(SITE, NAME).events("A-1")
SECRET = b'{"sku": "tea-that-nobody-may-see"}'
HANDSHAKE, ALERT, CHANGE_CIPHER = 0x16, 0x15, 0x14


class Line:
    """An outbox with one message, a session and the delivery between them."""

    def __init__(self, folder: Path, settings: MqttSection) -> None:
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.session = MqttSession(
            settings.broker, f"kardus-{NAME}", [], Options(will=(Topics(SITE, NAME).status, b"gone"))
        )
        self.delivery = Delivery(self.outbox, self.session)
        self.session.start(Handlers(lambda _: self.delivery.wake(), lambda *_: None, self.delivery.acknowledged))
        self.delivery.start()
        self.outbox.append([Message("event", TOPIC, SECRET)], {}, 1)
        self.delivery.wake()

    def refusal(self, words: str = "") -> str:
        """Why it can't connect, once it has tried, and the reason holds these words."""
        session = self.session
        assert session.wait_for(lambda: bool(session.problem) and words in session.problem, WAIT_S), session.problem
        return session.problem

    def close(self) -> None:
        self.delivery.stop()
        self.session.stop()
        self.outbox.close()


def _authority(site: Site) -> CertificateKeyPair:
    folder = site.folder / "authority"
    return read_pair((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())


def _now() -> datetime:
    return datetime.now(UTC)


def _expired(site: Site) -> CertificateKeyPair:
    return make_certificate(_authority(site), "broker", [HOST], _now() - timedelta(days=2), 1)


def _not_yet(site: Site) -> CertificateKeyPair:
    return make_certificate(_authority(site), "broker", [HOST], _now() + timedelta(days=2), 1)


def _unknown_authority(site: Site) -> CertificateKeyPair:
    return make_certificate(make_authority("another", _now(), 10), "broker", [HOST], _now(), 1)


def _another_host(site: Site) -> CertificateKeyPair:
    return make_certificate(_authority(site), "broker", ["broker.example"], _now(), 1)


def _device_as_broker(site: Site) -> CertificateKeyPair:
    path = site.files(CertificateRole.DEVICE, "box-2").certificate_file
    assert path
    return read_pair(path.read_bytes(), path.with_suffix(".key").read_bytes())


def _revoked(site: Site) -> CertificateKeyPair:
    path = site.authority.issue(CertificateRole.SERVER, "stolen", [HOST])
    site.authority.revoke("stolen")
    return read_pair(path.read_bytes(), path.with_suffix(".key").read_bytes())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (_expired, "certificate has expired"),
        (_not_yet, "not yet valid"),
        (_unknown_authority, "unable to get local issuer certificate"),
        (_another_host, "certificate is not valid for '127.0.0.1'"),
        (_device_as_broker, "unsuitable certificate purpose"),
        (_revoked, "certificate revoked"),
    ],
)
def test_a_broker_that_cannot_be_trusted_is_told_nothing(
    tmp_path: Path, site: Site, wrong: Callable[[Site], CertificateKeyPair], said: str
) -> None:
    pair = wrong(site)
    install(site.folder)
    (tmp_path / "broker" / "broker.crt").write_bytes(pair.certificate_pem())
    (tmp_path / "broker" / "broker.key").write_bytes(pair.key_pem())
    site.mosquitto.start()
    with recording_link(site.mosquitto.port) as link:
        crl = {"crl_file": tmp_path / "authority" / "crl.pem"} if wrong is _revoked else {}
        line = Line(tmp_path, site.section(NAME, link.port, **crl))
        assert said in line.refusal()
        assert line.outbox.depth().total == 1
        _require_nothing_in_the_clear(link.said)
        site.restart()  # with its own, right certificate
        assert line.session.wait_connected(WAIT_S)
        assert line.delivery.drain(WAIT_S)
        line.close()


def test_a_broker_that_speaks_no_tls_is_told_nothing(tmp_path: Path, site: Site, mosquitto: Mosquitto) -> None:
    with recording_link(mosquitto.port) as link:
        line = Line(tmp_path, site.section(NAME, link.port))
        assert line.refusal()
        assert line.outbox.depth().total == 1
        _require_nothing_in_the_clear(link.said)
        line.close()


def test_a_broker_below_tls_1_2_is_told_nothing(tmp_path: Path, site: Site) -> None:
    install(site.folder)
    with _old_server(tmp_path / "broker") as port, recording_link(port) as link:
        line = Line(tmp_path, site.section(NAME, link.port))
        assert "TLS failed" in line.refusal()
        assert line.outbox.depth().total == 1
        _require_nothing_in_the_clear(link.said)
        line.close()


def _client_expired(site: Site) -> CertificateKeyPair:
    return make_certificate(_authority(site), NAME, [], _now() - timedelta(days=2), 1)


def _client_unknown(site: Site) -> CertificateKeyPair:
    return make_certificate(make_authority("another", _now(), 10), NAME, [], _now(), 1)


def _client_revoked(site: Site) -> CertificateKeyPair:
    site.authority.revoke(NAME)
    path = site.folder / "authority" / "device" / f"{NAME}.crt"
    return read_pair(path.read_bytes(), path.with_suffix(".key").read_bytes())


def _broker_as_client(site: Site) -> CertificateKeyPair:
    return make_certificate(_authority(site), NAME, [HOST], _now(), 1)


@pytest.mark.parametrize("wrong", [_client_expired, _client_unknown, _client_revoked, _broker_as_client])
def test_the_broker_refuses_a_device_that_cannot_be_trusted(
    tmp_path: Path, site: Site, wrong: Callable[[Site], CertificateKeyPair]
) -> None:
    settings = site.section(NAME)
    pair = wrong(site)
    site.start()
    assert settings.certificate_file
    assert settings.key_file
    settings.certificate_file.write_bytes(pair.certificate_pem())
    settings.key_file.write_bytes(pair.key_pem())
    line = Line(tmp_path, settings)
    assert "refused our certificate" in line.refusal() or "TLS failed" in line.refusal()
    assert line.outbox.depth().total == 1
    line.close()


def test_a_client_without_a_certificate_gets_no_answer(tmp_path: Path, site: Site) -> None:
    site.start()
    settings = site.section(NAME).model_copy(update={"certificate_file": None, "key_file": None})
    line = Line(tmp_path, settings)
    assert line.refusal()
    assert line.outbox.depth().total == 1
    line.close()


def test_a_renewed_certificate_is_used_without_a_restart_and_nothing_is_lost(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.POLL_S", 0.1)
    settings = site.section(NAME)
    site.start()
    seen: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with MqttClient(site.broker(CertificateRole.WMS, "receiver"), [(TOPIC, 1)], lambda *m: seen.put(m)):
        line = Line(tmp_path, settings)
        assert seen.get(timeout=WAIT_S) == (TOPIC, SECRET)
        first = line.session.connection
        assert settings.certificate_file
        old = settings.certificate_file.read_bytes()
        site.authority.renew(NAME)
        assert settings.certificate_file.read_bytes() != old
        assert line.session.wait_for(lambda: line.session.connection not in {None, first}, WAIT_S)
        line.outbox.append([Message("event", TOPIC, b"after")], {}, 2)
        line.delivery.wake()
        assert seen.get(timeout=WAIT_S) == (TOPIC, b"after")
        line.close()


def test_half_of_a_renewed_pair_breaks_no_connection(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.POLL_S", 0.1)
    settings = site.section(NAME)
    site.start()
    line = Line(tmp_path, settings)
    assert line.session.wait_connected(WAIT_S)
    first = line.session.connection
    assert settings.key_file
    warned = threading.Event()
    monkeypatch.setattr("kardus.mqtt.renewal.log.warning", lambda *_: warned.set())
    settings.key_file.write_bytes(_client_unknown(site).key_pem())
    assert warned.wait(WAIT_S)
    assert line.session.connection == first
    line.close()


def test_a_revoked_device_is_out_once_the_broker_is_restarted(tmp_path: Path, site: Site) -> None:
    site.start()
    settings = site.section(NAME)
    line = Line(tmp_path, settings)
    assert line.session.wait_connected(WAIT_S)
    assert line.delivery.drain(WAIT_S)
    site.authority.revoke(NAME)
    site.restart()
    assert line.refusal("refused our certificate")
    line.close()


def test_the_brokers_renewed_certificate_is_read_on_reload_and_connections_stay(site: Site) -> None:
    site.start()
    with MqttClient(site.broker(CertificateRole.DEVICE, NAME)) as device:
        before = _serial(site)
        site.authority.renew("broker")
        install(site.folder)
        site.mosquitto.reload()
        site.mosquitto.wait_for_log("Reloading config.")
        assert _serial(site) != before
        device.publish([(TOPIC, b"still here")], retain=False)


def _serial(site: Site) -> int:
    context = ssl.create_default_context(cafile=str(site.folder / "authority" / "ca.crt"))
    files = site.files(CertificateRole.WMS, "receiver")
    context.load_cert_chain(str(files.certificate_file), str(files.key_file))
    address = (HOST, site.mosquitto.port)
    with socket.create_connection(address) as raw, context.wrap_socket(raw, server_hostname=HOST) as wire:
        found = wire.getpeercert()
    assert found
    return int(str(found["serialNumber"]), 16)


def _require_nothing_in_the_clear(said: list[bytes]) -> None:
    """Only TLS's own records went out, none of them with application data, and no word of ours."""
    assert any(said)
    for sent in said:
        rest = sent
        while rest:
            assert rest[0] in {HANDSHAKE, ALERT, CHANGE_CIPHER}
            rest = rest[5 + int.from_bytes(rest[3:5]) :]
        assert not any(word in sent for word in (b"MQTT", NAME.encode(), SITE.encode(), b"tea"))


@contextlib.contextmanager
def _old_server(folder: Path) -> Iterator[int]:
    """A server with the broker's right certificate that speaks TLS 1.1 at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "broker.crt", folder / "broker.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with listener() as listening:
        threading.Thread(target=_answer, args=(listening, context), daemon=True).start()
        yield int(listening.getsockname()[1])


def _answer(listening: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, _ = listening.accept()
            with client, contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as wire:
                wire.recv(1)

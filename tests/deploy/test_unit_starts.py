"""Each unit's command line, run as systemd runs it, against a real broker, until it is ready and does its work."""

import json
import re
import shutil
import urllib.request
from pathlib import Path

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from tests.agents import SITE
from tests.deploy.examples import EXAMPLES, laid_out
from tests.deploy.site import HOST, Site
from tests.deploy.units import UNITS, Unit
from tests.patience import PATIENCE_S, wait_until
from warehouse.authority.roles import CertificateRole
from warehouse.stock.read_back import read_expected


def _wms_side(root: Path, site: Site, *names: str) -> Path:
    """What the guide installs for the WMS side: the authority's certificate, the site and broker, and credentials."""
    folder = root / "etc/kardus"
    (folder / "credentials").mkdir(parents=True, exist_ok=True)
    shutil.copy(site.files(CertificateRole.WMS, "receiver").ca_file or "", folder / "ca.crt")
    for name in names:
        files = site.files(CertificateRole.WMS, name)
        shutil.copy(files.certificate_file or "", folder / "credentials" / f"{name}.crt")
        shutil.copy(files.key_file or "", folder / "credentials" / f"{name}.key")
    text = (EXAMPLES / "receiver.env").read_text()
    text = text.replace("jakarta-1", SITE).replace("broker.warehouse.example", HOST)
    (folder / "receiver.env").write_text(f"{text}KARDUS_PORT={site.mosquitto.port}\n")
    return folder


def _agent(root: Path, site: Site) -> None:
    text = (EXAMPLES / "agent-systemd.toml").read_text().replace("jakarta-1", SITE)
    text = re.sub(r'(host|url) = "(rtsp://)?[^/"]+', r'\1 = "\g<2>127.0.0.1', text)
    text = text.replace("port = 8883", f"port = {site.mosquitto.port}").replace("port = 9464", f"port = {free_port()}")
    (root / "given").mkdir()
    (root / "given/agent.toml").write_text(text)
    laid_out(root / "given/agent.toml", root, site).rename(root / "etc/kardus/agent.toml")
    shutil.copytree(root / "credentials", root / "etc/kardus/credentials", dirs_exist_ok=True)


def _sync(root: Path, site: Site) -> None:
    folder = _wms_side(root, site, "sync")
    (folder / "receiver.env").rename(folder / "sync.env")
    shutil.copy(EXAMPLES / "sync.toml", folder)
    (folder / "lists").mkdir()
    (folder / "lists" / "stock.csv").write_text("location,sku\nA-1,S-1\n")


def _deliver(root: Path) -> None:
    """Its database is the receiver's."""
    folder = root / "etc/kardus"
    (folder / "secret").write_text("whsec_" + "a" * 32)
    (folder / "secret").chmod(0o600)
    (folder / "deliver.toml").write_text(
        f'[targets.page]\nkind = "webhook"\nurl = "http://127.0.0.1:{free_port()}/"\nsecret_file = "{folder}/secret"\n'
    )


def _answer(unit: Unit, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{unit.port}{path}", timeout=PATIENCE_S) as answer:
        return bytes(answer.read())


def test_every_unit_is_started_here() -> None:
    text = Path(__file__).read_text()
    assert {path.name for path in UNITS.glob("*.service")} == set(re.findall(r'Unit\("([\w-]+\.service)"', text))


def test_the_agent_s_unit_is_ready_with_the_example_s_files_and_tells_the_broker(tmp_path: Path, site: Site) -> None:
    _agent(tmp_path, site)
    site.start()
    unit = Unit("kardus-agent.service", tmp_path)
    with unit.running():
        wait_until(lambda: "connected" in unit.log, unit.log)
    assert (tmp_path / "var/lib/kardus/outbox.sqlite").exists()


def test_the_receiver_s_the_page_s_and_the_deliverer_s_units_are_ready_in_the_order_of_their_start(
    tmp_path: Path, site: Site
) -> None:
    """`After=` the receiver, which is ready once its database is there."""
    _wms_side(tmp_path, site, "receiver", "console")
    _deliver(tmp_path)
    site.start()
    receiver, serve = Unit("kardus-receiver.service", tmp_path), Unit("kardus-serve.service", tmp_path)
    deliver = Unit("kardus-deliver.service", tmp_path)
    with receiver.running(), serve.running(), deliver.running():
        wait_until(lambda: "connected" in receiver.log, receiver.log)
        assert json.loads(_answer(deliver, "/"))
        assert b"kardus_receive_connected 1" in _answer(receiver, "/metrics")
        assert _answer(serve, "/healthz")


def test_the_unit_of_sync_is_ready_and_publishes_what_the_list_says(tmp_path: Path, site: Site) -> None:
    _sync(tmp_path, site)
    asking = site.files(CertificateRole.WMS, "asking")
    site.start()
    broker = BrokerSettings(HOST, site.mosquitto.port, tls=asking)
    with Unit("kardus-sync.service", tmp_path).running():
        wait_until(lambda: "A-1" in read_expected(broker, SITE).found)

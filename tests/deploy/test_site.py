"""A whole site as the deployment guide sets it up: agent, WMS side and broker know each other by certificate alone."""

import json
from pathlib import Path

from kardus.mqtt.tls import TlsFiles
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import SITE, AgentProcess, drawn_stock, skus, still_frames, write_config
from tests.conftest import run_command
from tests.deploy.site import HOST, Site
from tests.wms_side import WmsSide
from warehouse.authority.roles import CertificateRole

AGENT = "box"


def test_everything_works_over_mutual_tls_and_keeps_to_the_contract(tmp_path: Path, site: Site) -> None:
    device, stock = site.files(CertificateRole.DEVICE, AGENT), site.files(CertificateRole.WMS, "stock")
    watcher = site.files(CertificateRole.WMS, "watcher")
    site.start()
    stocks = [drawn_stock(seed) for seed in (1, 2)]
    still_frames(tmp_path / "frames", stocks, each=8)
    names = skus()
    lines = [f"{location},{names[name] if name else ''}" for location, name in stocks[0].items()]
    (tmp_path / "stock.csv").write_text("\n".join(["location,sku", *lines]) + "\n")
    where = ("--site", SITE, "--host", HOST, "--port", site.mosquitto.port)
    run_command("kardus-wms", "expect", tmp_path / "stock.csv", *where, *_options(stock))
    config = _configure(tmp_path, site, device)
    agent = AgentProcess(config)
    with WmsSide(site.mosquitto.port, site.broker(CertificateRole.WMS, "receiver")) as wms:
        agent.start()
        code, complaint = agent.finish()
        assert code == 0, complaint
        assert "rights" not in complaint
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        assert len(wms.events) > len(lines)
        assert {message["type"].split(".")[1] for _, message in wms.messages} == {"location", "agent", "camera"}
    shown = run_command("kardus-wms", "watch", *where, *_options(watcher), "--seconds", 1, "--json").stdout
    assert len(json.loads(shown)) == len(lines)


def _configure(folder: Path, site: Site, files: TlsFiles) -> Path:
    extra = (
        f'tls = true\nca_file = "{files.ca_file}"\ncertificate_file = "{files.certificate_file}"\n'
        f'key_file = "{files.key_file}"\n[homeassistant]\ndiscovery = true\n'
    )
    source = f'type = "folder", path = "{folder}/frames"'
    key = DEMO_KEY.read_text().strip()
    return write_config(folder, site.mosquitto.port, DEMO_BUNDLE, key, source, interval_s=0.1, extra=extra)


def _options(files: TlsFiles) -> list[object]:
    return [
        "--ca-file",
        files.ca_file,
        "--certificate-file",
        files.certificate_file,
        "--key-file",
        files.key_file,
    ]

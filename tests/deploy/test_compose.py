"""The trial in containers: its file is sound, and what its services run works outside of them too."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_agent.config import load_config
from kardus.mqtt.tls import TlsFiles, client_context
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import demo_script
from tests.conftest import BIN
from tests.deploy.site import SETTINGS
from warehouse.stock.stock_list import read_stock

DEPLOY = SETTINGS.parents[1]
FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICE_KEYS = {
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "network_mode",
    "pids_limit",
    "read_only",
    "restart",
    "security_opt",
    "tmpfs",
    "user",
    "volumes",
}
"""Of the Compose specification, what is used here: a misspelt key fails."""


def test_only_known_keys_stand_there() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "volumes"}
    for service in SERVICES.values():
        assert set(service) <= SERVICE_KEYS


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[\w-]+:\d+\.\d+\.\d+", service["image"])


def test_what_services_wait_for_and_mount_is_there() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]
        for volume in service["volumes"]:
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            assert (FOLDER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        if "build" in service:
            assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_its_scripts_make_certificates_that_fit(tmp_path: Path) -> None:
    for _ in range(2):  # the second start finds them
        _run("certificates.sh", tmp_path)
        _run("broker-files.sh", tmp_path / "authority", tmp_path / "broker")
    authority = tmp_path / "authority"
    for path in ("device/rack-agent", "wms/stock", "wms/receiver"):
        client_context(TlsFiles(authority / "ca.crt", authority / f"{path}.crt", authority / f"{path}.key"))
    named = re.findall(r"/mosquitto/kardus/([\w.]+)$", (FOLDER / "mosquitto.conf").read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (tmp_path / "broker").iterdir() if path.is_file())
    text = (FOLDER / "compose.yaml").read_text() + (DEPLOY / "examples" / "simulated.toml").read_text()
    for path in re.findall(r"/certificates/(authority/[\w./-]+)", text):
        assert (tmp_path / path).exists(), path


def _run(script: str, *arguments: Path) -> None:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["sh", FOLDER / script, *arguments], check=True, capture_output=True, env=environment)


def test_its_broker_is_configured_as_any_other() -> None:
    shipped = SETTINGS.read_text().split("\n\n", 1)[1]
    own = (FOLDER / "mosquitto.conf").read_text().split("\n\n", 1)[1]
    for there, here in (
        ("/etc/mosquitto/kardus/", "/mosquitto/kardus/"),
        ("/var/lib/mosquitto/", "/mosquitto/kardus/data/"),
        ("log_dest syslog", "log_dest stderr"),
    ):
        shipped = shipped.replace(there, here)
    assert own == shipped


def test_its_stock_and_configuration_are_those_of_the_simulated_rack() -> None:
    script = demo_script([slot.location for slot in Rack().slots()], DrawnPictures().stock(), 1)
    stock = {line.location: line.sku for line in read_stock(FOLDER / "stock.csv")}
    assert stock == script.expected
    config = load_config(DEPLOY / "examples" / "simulated.toml")
    assert [location.id for location in config.cameras[0].locations] == list(stock)
    assert config.health.port == 9464
    assert config.mqtt.host in SERVICES

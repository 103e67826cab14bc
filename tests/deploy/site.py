"""A site as the deployment guide sets it up: an authority, and Mosquitto with the configuration that is shipped."""

import functools
import shutil
from pathlib import Path

from edge_agent.config.sections import MqttSection
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.tls import TlsFiles
from tests.agents import SITE
from tests.brokers import Mosquitto
from warehouse.authority.register import create_authority
from warehouse.authority.roles import CertificateRole

SETTINGS = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"
HOST = "127.0.0.1"


class Site:
    """A folder with an authority and a broker, and certificates by name."""

    def __init__(self, folder: Path) -> None:
        """Make the authority, the broker's certificate and one for the WMS side."""
        self.folder = folder
        self.authority = create_authority(folder / "authority", SITE)
        self.authority.issue(CertificateRole.SERVER, "broker", [HOST, "localhost"])
        self.authority.issue(CertificateRole.WMS, "receiver")
        self.mosquitto = Mosquitto(folder / "mosquitto", settings=functools.partial(shipped_settings, folder))

    def start(self) -> None:
        """Install what the broker needs, as the guide says, and run it."""
        install(self.folder)
        self.mosquitto.start()

    def restart(self) -> None:
        """As after a revocation."""
        self.mosquitto.kill()
        self.start()

    def files(self, role: CertificateRole, name: str) -> TlsFiles:
        """The files of a certificate, which is made where it isn't there yet."""
        path = self.folder / "authority" / role / f"{name}.crt"
        if not path.exists():
            self.authority.issue(role, name)
        return TlsFiles(self.folder / "authority" / "ca.crt", path, path.with_suffix(".key"))

    def broker(self, role: CertificateRole, name: str) -> BrokerSettings:
        """The broker, for the WMS side's connection with a certificate."""
        return BrokerSettings(HOST, self.mosquitto.port, tls=self.files(role, name))

    def section(self, name: str, port: int | None = None, **other: object) -> MqttSection:
        """The agent's `[mqtt]` table with a device's certificate."""
        files = self.files(CertificateRole.DEVICE, name)
        return MqttSection.model_validate(
            {
                "host": HOST,
                "port": port or self.mosquitto.port,
                "tls": True,
                "ca_file": files.ca_file,
                "certificate_file": files.certificate_file,
                "key_file": files.key_file,
                "keepalive_s": 2,
                **other,
            }
        )


def shipped_settings(folder: Path, port: int) -> str:
    """The shipped configuration, with this folder's paths, a port of its own, and its log where the tests read it."""
    text = SETTINGS.read_text()
    # As root, Mosquitto would give up its rights and could not read a folder of the tests.
    for shipped, here in (
        ("listener 8883", f"user root\nlistener {port} {HOST}"),
        ("/etc/mosquitto/kardus/", f"{folder}/broker/"),
        ("/var/lib/mosquitto/", f"{folder}/mosquitto/"),
        ("log_dest syslog", "log_dest stderr"),
    ):
        assert text.count(shipped) >= 1, shipped
        text = text.replace(shipped, here)
    return text


def install(folder: Path) -> None:
    """Copy what belongs on the broker to where its configuration looks for it."""
    there = folder / "broker"
    there.mkdir(exist_ok=True)
    for name in ("ca.crt", "crl.pem", "acl", "server/broker.crt", "server/broker.key"):
        shutil.copy(folder / "authority" / name, there)

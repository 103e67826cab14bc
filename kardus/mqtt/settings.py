"""Where the broker is, as whom to connect, and how: what every MQTT client of Kardus is made with."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kardus.mqtt.tls import TlsFiles, client_context, key_name
from kardus.support.secrets import broker_password


@dataclass(frozen=True)
class BrokerSettings:
    """A broker. The agent makes it of its `[mqtt]` table, `kardus-wms` of its options."""

    host: str = "localhost"
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    """Without one, the password is looked for in `KARDUS_MQTT_PASSWORD`."""
    tls: TlsFiles | None = None
    """None: the connection isn't encrypted."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto`: MQTT 5, and 3.1.1 where the broker has no 5."""
    keepalive_s: int = 45
    """A broker that says nothing for one and a half times this long is taken to be gone."""
    prefix: str = "--"
    """Stands before the names of keys in errors: `--` for options, `mqtt.` for the agent's configuration."""

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def certificate_file(self) -> Path | None:
        """Our own certificate, where we have one."""
        return self.tls.certificate_file if self.tls else None

    def name(self, key: str) -> str:
        """What the user calls a key: `mqtt.ca_file` or `--ca-file`."""
        return key_name(self.prefix, key)

    def password(self) -> str | None:
        """The password, read now.

        Raises:
            ConfigError: it can't be read, or others can read it; the message names the key.
        """
        return broker_password(self.name("password_file"), self.password_file)

    def context(self) -> ssl.SSLContext | None:
        """What a connection is encrypted with, its files read now; None: with nothing.

        Raises:
            ConfigError: a file can't be used; the message names the key.
        """
        return client_context(self.tls, self.prefix) if self.tls is not None else None

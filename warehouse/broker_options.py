"""The options by which commands name the broker, and what they come to."""

from pathlib import Path
from typing import Annotated

import typer

from kardus.contract.mqtt_text import is_text
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.tls import TlsFiles
from kardus.support.errors import UsageError
from kardus.support.secrets import secret_file


def _user_name(given: str | None) -> str | None:
    """Refuses what no broker would read."""
    if given is not None and not is_text(given):
        raise UsageError(f"--username '{given}': MQTT takes no control character in it: type it again")
    return given


HostOption = Annotated[str, typer.Option(help="The broker's host.")]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="The broker's port.")]
UserOption = Annotated[str | None, typer.Option(callback=_user_name, help="User name at the broker.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option(help="File that holds the password, for you alone; else KARDUS_MQTT_PASSWORD is looked for."),
]
TlsOption = Annotated[
    bool, typer.Option("--tls", help="Speak TLS 1.2 or newer; any of the next four does so too.", envvar="KARDUS_TLS")
]
CaOption = Annotated[
    Path | None,
    typer.Option(help="Authorities that may vouch for the broker (PEM); else the system's.", envvar="KARDUS_CA_FILE"),
]
CertificateOption = Annotated[
    Path | None, typer.Option(help="Our own certificate (PEM).", envvar="KARDUS_CERTIFICATE_FILE")
]
KeyOption = Annotated[Path | None, typer.Option(help="Its private key (PEM), for you alone.", envvar="KARDUS_KEY_FILE")]
CrlOption = Annotated[Path | None, typer.Option(help="What the authority has revoked (PEM).", envvar="KARDUS_CRL_FILE")]


def broker_from(
    host: str, port: int, username: str | None, password_file: Path | None, tls: TlsFiles | None
) -> BrokerSettings:
    """The broker that the options name."""
    return BrokerSettings(host, port, username, _placed("--password-file", password_file), tls)


def tls_from(
    ca: Path | None, certificate: Path | None, key: Path | None, crl: Path | None, *, on: bool
) -> TlsFiles | None:
    """What TLS works with; None: none of its options is given.

    Raises:
        UsageError: a certificate without its key, or the other way round.
    """
    if (certificate is None) != (key is None):
        raise UsageError("--certificate-file and --key-file belong together: give both")
    files = TlsFiles(
        _placed("--ca-file", ca),
        _placed("--certificate-file", certificate),
        _placed("--key-file", key),
        _placed("--crl-file", crl),
    )
    return files if on or files != TlsFiles() else None


def _placed(option: str, path: Path | None) -> Path | None:
    try:
        return secret_file(path) if path is not None else None
    except ValueError as error:
        raise UsageError(f"{option} {path}: {error}") from error

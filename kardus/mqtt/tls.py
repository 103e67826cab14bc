"""TLS to the broker: 1.2 or newer, the server's certificate and name always checked, files read at every connection."""

import logging
import ssl
from dataclasses import dataclass, fields
from pathlib import Path

from kardus.mqtt.certificates import warn_of_end
from kardus.support.errors import ConfigError
from kardus.support.file_stamp import FileStamp, file_stamp
from kardus.support.secrets import require_private

log = logging.getLogger(__name__)
FileStamps = tuple[FileStamp | None, ...]


@dataclass(frozen=True)
class TlsFiles:
    """Which files TLS works with; all of them PEM. The names are those of the keys and options that name them."""

    ca_file: Path | None = None
    """Authorities that may vouch for the broker; None: those that the system trusts."""
    certificate_file: Path | None = None
    """Our own certificate, with what lies between it and its authority."""
    key_file: Path | None = None
    """The certificate's private key, without a pass phrase."""
    crl_file: Path | None = None
    """What the authority has revoked: a broker whose certificate is in it is refused."""

    def stamp(self) -> FileStamps:
        """Changes when one of the files does."""
        paths = (getattr(self, field.name) for field in fields(self))
        return tuple(file_stamp(path) if path else None for path in paths)


def client_context(files: TlsFiles, prefix: str = "mqtt.") -> ssl.SSLContext:
    """What a client's connection is made with.

    Args:
        files: read now.
        prefix: stands before the names of the keys in messages; `--` makes options of them.

    Raises:
        ConfigError: a file can't be used; the message names the key and the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca_file is None:
        context.load_default_certs()
    else:
        _load_authorities(context, key_name(prefix, "ca_file"), files.ca_file)
    if files.crl_file is not None:
        _load_authorities(context, key_name(prefix, "crl_file"), files.crl_file)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    if files.certificate_file is not None and files.key_file is not None:
        _load_identity(context, prefix, files.certificate_file, files.key_file)
    return context


def explain(error: Exception) -> str:
    """What went wrong with a connection, without the library's file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return str(error)


def _load_authorities(context: ssl.SSLContext, name: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise ConfigError(f"{name} = {path}: cannot be used ({_reason(error)}): name a PEM file") from error


def _load_identity(context: ssl.SSLContext, prefix: str, certificate: Path, key: Path) -> None:
    require_private(key_name(prefix, "key_file"), key)
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # without it, OpenSSL would ask at the terminal
    except OSError as error:
        raise ConfigError(
            f"{key_name(prefix, 'certificate_file')} = {certificate}: cannot be used with {key} ({_reason(error)}): "
            "name a certificate and its own key, without a pass phrase, as PEM files"
        ) from error
    warn_of_end(key_name(prefix, "certificate_file"), certificate, log)


def key_name(prefix: str, key: str) -> str:
    """What the user calls a key: `mqtt.ca_file`, or `--ca-file` where the prefix is that of an option."""
    return prefix + (key.replace("_", "-") if prefix == "--" else key)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or str(error)

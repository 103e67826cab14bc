"""Which TLS certificates of cameras are accepted: one policy for https and rtsps alike."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any, Self

from kardus.support.errors import ConfigError

_OLD = "it may speak old TLS alone: update it, or set insecure = true, which checks nothing and takes that too"
_OF_OLD_TLS = ("PROTOCOL", "HANDSHAKE_FAILURE", "CIPHER", "KEY_TOO_SMALL", "RENEGOTIATION")
"""In OpenSSL's reasons, which are many: what a camera of earlier times comes to."""
_OP_LEGACY_SERVER_CONNECT = 0x4
"""OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT, which Python names from 3.12 on: a camera without RFC 5746 is taken."""
REMEDY = "name its authority in ca_file, or the SHA-256 of the camera's own certificate in fingerprint"


@dataclass(frozen=True)
class TlsPolicy:
    """How a camera's certificate is checked: against the machine's authorities, unless one of these says otherwise."""

    ca_file: str | None = None
    """A private authority's certificate, PEM."""
    fingerprint: str | None = None
    """SHA-256 of the camera's own certificate, 64 lower-case hexadecimal digits; neither name nor date are checked."""
    insecure: bool = False
    """Nothing is checked, and old versions of TLS are taken, too."""

    def context(self) -> ssl.SSLContext:
        """What a connection is made with.

        Raises:
            ConfigError: `ca_file` can't be used.
        """
        if self.fingerprint is not None:
            return _Pinned(self.fingerprint)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name
        if self.insecure:
            _check_nothing(context)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.options |= _OP_LEGACY_SERVER_CONNECT
        elif self.ca_file is None:
            context.load_default_certs()
        else:
            _load_authority(context, self.ca_file)
        return context


class _Pinned(ssl.SSLContext):
    """Takes one certificate alone, whoever has signed it."""

    def __new__(cls, fingerprint: str) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        _check_nothing(context)
        context.fingerprint = fingerprint
        return context

    fingerprint: str

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Shake hands, and hang up before anything is said where it is another's certificate."""
        wrapped = super().wrap_socket(*arguments, **options)
        found = hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()
        if found != self.fingerprint:
            wrapped.close()
            raise ssl.SSLError(0, f"its certificate has the fingerprint {found}, and not the one in fingerprint")
        return wrapped


def tls_reason(error: ssl.SSLError) -> str:
    """What went wrong with a secure connection, without the library's file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}: {REMEDY}"
    reason: str | None = getattr(error, "reason", None)
    if reason is None:  # our own
        return error.strerror or str(error)
    said = f"TLS failed: {reason.replace('_', ' ').lower()}"
    return f"{said}: {_OLD}" if any(word in reason for word in _OF_OLD_TLS) else said


def _check_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _load_authority(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        reason = "not PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"ca_file = {path}: cannot be used ({reason}): name a PEM file") from error

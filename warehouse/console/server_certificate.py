"""The server's own certificate: read at the start, and again when it was renewed."""

import asyncio
import logging
import ssl
import time
from pathlib import Path

from kardus.mqtt.certificates import warn_of_end
from kardus.mqtt.tls import FileStamps, TlsFiles
from kardus.support.errors import UsageError

RENEWAL_S = 5.0
"""So often it is looked whether the files have changed."""
WARNING_S = 86_400.0
"""So often it is told that the certificate ends soon."""
_OPTION = "--server-certificate-file"
log = logging.getLogger("kardus.serve")


class ServerCertificate:
    """A certificate and its key, two PEM files. Half of a pair, in the middle of a renewal, is waited out."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read them.

        Raises:
            UsageError: they can't be used.
        """
        self._certificate, self._key = certificate, key
        self._known, self._refused = self._stamp(), ""
        self._newest = self._read()

    async def keep_new(self, listening: ssl.SSLContext) -> None:
        """Look for a renewed pair, for good, which every new connection over `listening` is met with."""
        listening.sni_callback = self._choose
        told_s = -WARNING_S
        while True:
            if time.monotonic() - told_s >= WARNING_S:
                told_s = time.monotonic()
                warn_of_end(_OPTION, self._certificate, log)
            await asyncio.sleep(RENEWAL_S)
            if self._renew():
                told_s = -WARNING_S

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
        """Called as each handshake begins. The listening context isn't touched: a refused pair ends its service."""
        connection.context = self._newest

    def _renew(self) -> bool:
        stamp = self._stamp()
        if stamp == self._known:
            return False
        try:
            self._newest = self._read()
        except UsageError as error:  # it is tried again: whoever corrects its rights changes no stamp
            if str(error) != self._refused:
                log.warning("a changed certificate can't be used yet, the former one stays: %s", error)
            self._refused = str(error)
            return False
        self._known, self._refused = stamp, ""
        log.info("the server's certificate was renewed")
        return True

    def _stamp(self) -> FileStamps:
        return TlsFiles(certificate_file=self._certificate, key_file=self._key).stamp()

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # without a password to try, OpenSSL would ask at the terminal
            context.load_cert_chain(self._certificate, self._key, password=lambda: b"")
        except OSError as error:  # of the ssl module too
            reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            reason = (reason or "no PEM files").replace("_", " ").lower()
            raise UsageError(
                f"{_OPTION} {self._certificate}, --server-key-file {self._key}: can't be used ({reason}): name a "
                "certificate and its own key, without a pass phrase, as PEM files"
            ) from error
        return context

"""Notices that certificates were renewed, so that a connection is made anew before the old ones expire."""

import logging

from kardus.mqtt.tls import FileStamps, TlsFiles, client_context
from kardus.support.errors import ConfigError

log = logging.getLogger("kardus.mqtt")


class Renewal:
    """Watches the certificates of one connection. Half of a pair, in the middle of a renewal, is waited out."""

    def __init__(self, files: TlsFiles | None, used: FileStamps) -> None:
        """Watch `files`, which were as `used` says when the connection was made."""
        self._files = files
        self._known = used
        self._refused = ""

    def is_due(self) -> bool:
        """Whether other certificates are there than the connection was made with, and they can be used."""
        if self._files is None:
            return False
        stamp = self._files.stamp()
        if stamp == self._known:
            return False
        try:
            client_context(self._files)
        except ConfigError as error:  # they are tried again: whoever corrects their rights changes no stamp
            if str(error) != self._refused:
                log.warning("changed certificates can't be used yet, the connection stays: %s", error)
            self._refused = str(error)
            return False
        self._known, self._refused = stamp, ""
        return True

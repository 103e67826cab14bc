"""Errors meant for the user: one line that names the file, key or value, and the remedy.

KardusError                 exit code 1: the work failed
├── DataError               a photo, data set or table cannot be used
├── BundleError             a bundle cannot be read, or must not be trusted
├── StorageError            the disk doesn't take what was decided
├── BrokerError             the MQTT broker cannot be reached, or refused us
├── UnknownLocationError    no camera of the configuration sees a location
└── UsageError              exit code 2: wrong use (configuration, option, argument)
    ├── ConfigError         a key of the agent's configuration file is wrong
    └── ProviderError       none of the execution providers that were asked for can run a model here
"""


class KardusError(Exception):
    """Something failed; the text is shown to the user, without a traceback.

    Names in it may come from a damaged or hostile file: what would break the line, or steer a terminal, is escaped.
    """

    exit_code = 1

    def __init__(self, text: str) -> None:
        """Keep the text, as one line."""
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


class DataError(KardusError):
    """A photo, data set or table cannot be used."""


class BundleError(KardusError):
    """A bundle cannot be read, or must not be trusted."""


class StorageError(KardusError):
    """The disk doesn't take what was decided."""


class BrokerError(KardusError):
    """The MQTT broker cannot be reached, or refused the connection."""


class UnknownLocationError(KardusError):
    """No camera of the configuration sees a location."""


class UsageError(KardusError):
    """The command was used wrongly."""

    exit_code = 2


class ConfigError(UsageError):
    """A key of the agent's configuration file is wrong."""


class ProviderError(UsageError):
    """None of the execution providers that were asked for can run a model here.

    The key or option that they were asked for by is put before it by whoever read that.
    """

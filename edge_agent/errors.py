"""Errors meant for the user: one line that names the file, key or value, and the remedy.

KardusError                 exit code 1: the work failed
├── DataError               a photo, data set or table cannot be used
├── BundleError             a bundle cannot be read, or must not be trusted
├── BrokerError             the MQTT broker cannot be reached, or refused us
└── UsageError              exit code 2: wrong use (configuration, option, argument)
    └── ConfigError         a key of the agent's configuration file is wrong
"""


class KardusError(Exception):
    """Something failed; the text is shown to the user as it is, without a traceback."""

    exit_code = 1


class DataError(KardusError):
    """A photo, data set or table cannot be used."""


class BundleError(KardusError):
    """A bundle cannot be read, or must not be trusted."""


class BrokerError(KardusError):
    """The MQTT broker cannot be reached, or refused the connection."""


class UsageError(KardusError):
    """The command was used wrongly."""

    exit_code = 2


class ConfigError(UsageError):
    """A key of the agent's configuration file is wrong."""

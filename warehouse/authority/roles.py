"""What a certificate is for, and how long it is good where nothing else is said."""

from enum import StrEnum

AUTHORITY_DAYS = 3650
DAYS = 365


class CertificateRole(StrEnum):
    """What a certificate is for."""

    SERVER = "server"
    """The broker."""
    WMS = "wms"
    """A program of the WMS side."""
    DEVICE = "device"
    """A box with an agent."""
    HOME_ASSISTANT = "homeassistant"
    """Home Assistant."""

"""What a broker says, when it accepts a connection, that it doesn't serve or takes no more of (MQTT 5, 3.2.2.3).

MQTT 3.1.1 has no words for that: there it is found out by what fails.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BrokerLimits:
    """Of one connection."""

    in_flight: int | None = None
    """Messages that it hasn't acknowledged yet: it may hang up on one more. None: it doesn't say."""
    packet_bytes: int | None = None
    """The longest packet that it reads; None: it doesn't say."""
    missing_features: str = ""
    """What it doesn't serve and Kardus can't do without; empty: nothing."""


def limits_of(accepted: Any) -> BrokerLimits:
    """What the properties of a CONNACK say."""
    missing_features = ["retained messages"] if getattr(accepted, "RetainAvailable", 1) == 0 else []
    missing_features += ["quality of service 1"] if getattr(accepted, "MaximumQoS", 1) == 0 else []
    return BrokerLimits(
        getattr(accepted, "ReceiveMaximum", None),
        getattr(accepted, "MaximumPacketSize", None),
        " or ".join(missing_features),
    )

"""How a Kafka cluster is reached: read without its library, which is an extra of its own."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from warehouse.connectors.deliver.target import What
from warehouse.connectors.secret import SecretPath


class KafkaSettings(BaseModel):
    """`[targets.NAME]` with `kind = "kafka"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["kafka"]
    """A Kafka cluster."""
    bootstrap: str
    """Some of its brokers, as `kafka-1:9093,kafka-2:9093`."""
    topic: str
    """Where events go; it must exist, or the brokers must make it."""
    what: What = "events"
    """New alerts, all that becomes of alerts, or every event."""
    options: dict[str, str | int | bool] = {}
    """More of librdkafka's settings, as `"security.protocol" = "SASL_SSL"`."""
    password_file: SecretPath | None = None
    """File with the password of `sasl.username`, for you alone."""
    ca_file: Path | None = None
    """Authorities that may vouch for the brokers (PEM); else the system's."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """At most so many events are on their way."""

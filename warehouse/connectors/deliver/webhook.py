"""Posts events to an HTTP server, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from warehouse.connectors.deliver.answers import is_refusal
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError, What
from warehouse.connectors.http_client import STOP_GRACE_S, HttpClient, plain_client
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.web_address import WebAddress
from warehouse.signing import read_signing_secret, signed_headers

LIMIT_S = 10.0
"""For all of an exchange, from the name's resolution to the end of the answer."""


class WebhookSettings(BaseModel):
    """`[targets.NAME]` with `kind = "webhook"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["webhook"]
    """An HTTP server of yours."""
    url: WebAddress
    """What is posted to."""
    secret_file: SecretPath
    """File with the secret to sign with, for you alone."""
    what: What = "opened"
    """New alerts, all that becomes of alerts, or every event."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class WebhookTarget:
    """One event a request; any answer of 2xx takes it."""

    batch = 1

    def __init__(self, key: str, settings: WebhookSettings) -> None:
        """Prepare; `key` is the table's in the file.

        Raises:
            ConfigError: the secret can't be read, or others can read it too.
            UsageError: it isn't one.
        """
        self.name = settings.url
        self._settings = settings
        name = f"{key}.secret_file"
        self._key = read_signing_secret(secret(name, settings.secret_file), name)
        self._client = HttpClient(plain_client(settings.ca_file), TargetError, grace_s=STOP_GRACE_S)

    def wants(self, outgoing: Outgoing) -> bool:
        """Whether the file's `what` chooses this event."""
        return outgoing.is_wanted(self._settings.what)

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Post each event."""
        return {one.number: reason for one in events if (reason := self._post(one))}

    def stop(self) -> None:
        """Let a request under way end soon."""
        self._client.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _post(self, one: Outgoing) -> str:
        id_, body = message(one)
        headers = signed_headers(self._key, id_, int(time.time()), body) | {"content-type": "application/json"}
        try:
            self._client.post(self._settings.url, limit_s=LIMIT_S, content=body, headers=headers)
        except TargetError as error:
            if is_refusal(error):
                return str(error)
            raise
        return ""


def message(one: Outgoing) -> tuple[str, bytes]:
    """The id that stays the same at every attempt, and the body. A new alert's id is the alert's."""
    alert = one.event.alert
    if one.opens:
        kind = "kardus.alert.opened"
    elif alert is None or one.overtaken_by is not None:
        kind = "kardus.location.event"
    elif one.former is not None and one.former.alert is not None and one.former.alert.status == alert.status:
        kind = "kardus.alert.changed"
    else:
        kind = f"kardus.alert.{'opened' if alert.status == 'open' else alert.status}"
    told = json.loads(one.payload)
    body = {"type": kind, "timestamp": told["time"], "agent": one.agent, "data": told["data"]}
    id_ = alert.id if alert is not None and one.opens else one.envelope.id
    return id_, json.dumps(body, ensure_ascii=False).encode()

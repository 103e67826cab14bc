"""Signs and checks webhooks as Standard Webhooks says (https://www.standardwebhooks.com), so that its libraries fit."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from kardus.support.errors import UsageError

PREFIX = "whsec_"
MIN_SECRET_BYTES = 24
TOLERANCE_S = 300
"""An older or younger request is refused: it may be a repeated one."""


def read_secret(text: str, source: str) -> bytes:
    """The key in a secret: what follows `whsec_` in base64, or the text itself.

    Raises:
        UsageError: it isn't base64, or too short; `source` says where it came from.
    """
    text = text.strip()
    try:
        is_encoded = text.startswith(PREFIX)
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True) if is_encoded else text.encode()
    except binascii.Error as error:
        raise UsageError(f"{source}: what follows {PREFIX} isn't base64: give the secret as it was made") from error
    if len(key) < MIN_SECRET_BYTES:
        raise UsageError(f"{source}: a secret of {len(key)} bytes is too short: at least {MIN_SECRET_BYTES}")
    return key


def signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that go with a body; `timestamp` in Unix seconds."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": _signature(key, message_id, str(timestamp), body),
    }


def is_genuine(key: bytes, headers: Mapping[str, str], body: bytes, now_unix_s: float) -> bool:
    """Whether a request was signed with the key, and not long ago. Header names are compared in lower case."""
    told = {name.lower(): value for name, value in headers.items()}
    timestamp = told.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()) or abs(now_unix_s - int(timestamp)) > TOLERANCE_S:
        return False
    wanted = _signature(key, told.get("webhook-id", ""), timestamp, body).encode()
    found = told.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted, signature.encode()) for signature in found)


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()

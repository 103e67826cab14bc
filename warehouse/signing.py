"""Signs webhooks as Standard Webhooks says (https://www.standardwebhooks.com): its libraries check them."""

import base64
import binascii
from datetime import UTC, datetime

from standardwebhooks import Webhook

from kardus.support.errors import UsageError

PREFIX = "whsec_"
MIN_SECRET_BYTES = 24


def read_signing_secret(text: str, source: str) -> bytes:
    """The key in a secret: what follows `whsec_` in base64, or the text itself.

    The library would take any text for base64, and leave out what isn't: it is only ever given the key.

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
    """The headers that go with a body in UTF-8; `timestamp` in Unix seconds."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": Webhook(key).sign(message_id, moment, body.decode()),
    }

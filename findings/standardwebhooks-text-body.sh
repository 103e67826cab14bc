#!/bin/sh
# What: standardwebhooks' verify reads the body as JSON after it has found the signature right.
# Versions: standardwebhooks 1.1.0.
# Expected: verify checks a signature; its one error is WebhookVerificationError.
# Observed: a genuine body of text (a CSV line) raises JSONDecodeError, which a handler of the library's error
#   lets through.
# Why it matters: a WMS that takes CSV by webhook answers 500 instead of 200, so the sender sends the same
#   again and again.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check standardwebhooks==1.1.0
"$work/venv/bin/python" - <<'PYTHON'
import json
from datetime import UTC, datetime
from importlib.metadata import version

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
now, body = datetime.now(UTC), "R01-L02-P03;KX-17"
headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": str(int(now.timestamp())),
    "webhook-signature": webhook.sign("msg_1", now, body),
}
print(f"standardwebhooks {version('standardwebhooks')}")
print("expected: the body is genuine: no error, or a WebhookVerificationError")
try:
    webhook.verify(body, headers)
except WebhookVerificationError:
    raise SystemExit("changed: a text is refused as not genuine") from None
except json.JSONDecodeError as error:
    print(f"observed: JSONDecodeError: {error}")
else:
    raise SystemExit("changed: a text is taken")
PYTHON

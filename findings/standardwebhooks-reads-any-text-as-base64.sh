#!/bin/sh
# standardwebhooks 1.1.0: a secret given as text is always taken for base64, with every other character left out.
# Expected: a text without the prefix whsec_ is the key as it stands, or is refused when it isn't base64.
# Observed: two different pass phrases that differ in spaces and punctuation alone sign alike, and neither signs like its bytes.
# Why it matters: sender and receiver agree on a secret, one uses bytes, the other text, and every webhook is refused.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PY'
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from standardwebhooks import Webhook

moment = datetime(2026, 1, 1, tzinfo=UTC)
spaced, joined = "rack seven, aisle four: alarm", "rackseven,aislefour:alarm"
signatures = [Webhook(secret).sign("m1", moment, "{}") for secret in (spaced, joined, spaced.encode())]
print(f"standardwebhooks {version('standardwebhooks')}")
print(f"text and text without spaces sign alike: {signatures[0] == signatures[1]}")
print(f"text and its own bytes sign alike: {signatures[0] == signatures[2]}")
sys.exit(0 if signatures[0] == signatures[1] != signatures[2] else "changed: a text is no longer read as base64")
PY

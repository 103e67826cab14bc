#!/bin/sh
# What: trytond's JSON-RPC labels every long answer as gzip, also the plain ones for clients that accept no gzip.
# Versions: trytond 8.2.1 (of this year).
# Expected: without "Accept-Encoding: gzip" the answer is plain, and has no "Content-Encoding: gzip".
# Observed: short answers are right; from 1,400 characters on the body is plain JSON under the header "Content-Encoding: gzip".
# Why it matters: an integration is tried with short answers, works, and breaks when the warehouse grows. Ask for gzip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check trytond==8.2.1
"$work/venv/bin/python" - <<'PYTHON'
import json

from trytond.protocols.jsonrpc import JSONProtocol, JSONRequest
from werkzeug.test import EnvironBuilder


def asked(accepts, length):
    body = json.dumps({"id": 1, "method": "m", "params": []})
    headers = {"Accept-Encoding": accepts} if accepts else {}
    request = JSONRequest(EnvironBuilder(method="POST", data=body, content_type="application/json", headers=headers).get_environ())
    response = JSONProtocol.response("x" * length, request)
    content = b"".join(part.encode() if isinstance(part, str) else part for part in response.response)
    return response.headers.get("Content-Encoding"), content[:2] == b"\x1f\x8b"


seen = {words: asked(*words) for words in [("", 100), ("", 5000), ("gzip", 5000)]}
print("trytond 8.2.1: (accepted, length): (Content-Encoding, whether the body is gzip)")
print("expected: {('', 100): (None, False), ('', 5000): (None, False), ('gzip', 5000): ('gzip', True)}")
print("observed:", seen)
if seen[("", 5000)] != ("gzip", False):
    raise SystemExit("changed")
PYTHON

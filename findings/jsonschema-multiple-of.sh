#!/bin/sh
# What: two validators of JSON Schema 2020-12 disagree whether 19.99 is a multiple of 0.01.
# Versions: jsonschema 4.26.0, jsonschema-rs 0.61.0.
# Expected: the same verdict from both, and valid.
# Observed: jsonschema divides in binary and refuses 19.99; jsonschema-rs takes it.
# Why it matters: weights and prices in hundredths: the sender's own check passes, and the receiver refuses
#   the message.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check jsonschema==4.26.0 jsonschema-rs==0.61.0
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jsonschema
import jsonschema_rs

schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "number", "multipleOf": 0.01}
by_python = [value for value in (19.98, 19.99, 4.35) if jsonschema.Draft202012Validator(schema).is_valid(value)]
by_rust = [value for value in (19.98, 19.99, 4.35) if jsonschema_rs.validator_for(schema).is_valid(value)]
print(f"jsonschema {version('jsonschema')}, jsonschema-rs {version('jsonschema-rs')}")
print("expected: 19.98, 19.99 and 4.35 are multiples of 0.01 for both")
print(f"observed: jsonschema takes {by_python}, jsonschema-rs {by_rust}")
if 19.99 in by_python or by_rust != [19.98, 19.99, 4.35]:
    raise SystemExit("changed: the two validators judge hundredths otherwise")
PYTHON

#!/bin/sh
# What: fastjsonschema compiles a schema that names draft 2020-12 by the rules of draft 7.
# Versions: fastjsonschema 2.22.3.
# Expected: draft 2020-12's rules, or an error that the draft isn't known.
# Observed: prefixItems is left out in silence and `items: false` then refuses every pair, valid ones too.
# Why it matters: a receiver of published message schemas that uses it refuses messages that keep to the
#   contract.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check fastjsonschema==2.22.3 jsonschema==4.26.0
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import fastjsonschema
import jsonschema

schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "prefixItems": [{"type": "string"}, {"type": "integer"}],
    "items": False,
}
entry = ["R01-L02-P03", 2]
jsonschema.Draft202012Validator(schema).validate(entry)
print(f"fastjsonschema {version('fastjsonschema')}")
print("expected: a valid pair is taken, or the draft is refused when the schema is compiled")
validate = fastjsonschema.compile(schema)
try:
    validate(entry)
except fastjsonschema.JsonSchemaValueException as error:
    print(f"observed: the schema is compiled, the pair refused: {error}")
else:
    raise SystemExit("changed: the pair is taken")
PYTHON

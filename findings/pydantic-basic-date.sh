#!/bin/sh
# What: pydantic reads a date in ISO 8601's basic format as a number of seconds.
# Versions: pydantic 2.14.3.
# Expected: 26 October 2026, as datetime.fromisoformat says, or an error.
# Observed: a moment in August 1970, with a zone (UTC) where the extended form has none.
# Why it matters: YYYYMMDD is what EDI messages and many WMS exports carry; an expected stock dated 1970 is
#   always the older one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pydantic==2.14.3
"$work/venv/bin/python" - <<'PYTHON'
from datetime import datetime

import pydantic

reader = pydantic.TypeAdapter(datetime)
basic, extended = reader.validate_python("20261026"), reader.validate_python("2026-10-26")
print(f"pydantic {pydantic.VERSION}")
print(f"expected: {datetime.fromisoformat('20261026')}, as the standard library reads it, or an error")
print(f"observed: {basic}")
if basic.isoformat() != "1970-08-23T12:03:46+00:00" or extended != datetime(2026, 10, 26):
    raise SystemExit("changed: a date in ISO 8601's basic format is no longer read as seconds since 1970")
PYTHON

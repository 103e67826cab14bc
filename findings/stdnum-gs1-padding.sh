#!/bin/sh
# What: python-stdnum's gs1_128.encode, without a separator given, fills a lot number up to 20 characters with
#   spaces.
# Versions: python-stdnum 2.2, biip 5.2.0.
# Expected: variable-length values are ended by FNC1 (GS1 General Specifications, 7.8), or the call refuses to
#   go without.
# Observed: spaces, which GS1 values may not hold; stdnum strips them when it reads its own label, so a round
#   trip looks right, while biip refuses the whole label.
# Why it matters: a test by round trip passes; the scanner's side of the WMS then gets no GTIN from the
#   carton.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check python-stdnum==2.2 biip==5.2.0
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import biip
from stdnum import gs1_128

label = gs1_128.encode({"01": "09521234543213", "10": "LOT1", "21": "SER7"})
message = biip.parse(label).gs1_message
print(f"python-stdnum {version('python-stdnum')}, biip {version('biip')}")
print("expected: the lot ended by FNC1 (U+001D), and a label that another GS1 reader takes")
print(f"observed: {label!r}; biip reads {message}; stdnum itself reads {gs1_128.info(label)}")
if label != "010952123454321310LOT1" + " " * 16 + "21SER7" or message is not None:
    raise SystemExit("changed: the label is no longer padded with spaces, or biip reads it")
if gs1_128.info(label) != {"01": "09521234543213", "10": "LOT1", "21": "SER7"}:
    raise SystemExit("changed: stdnum does not read its own label back")
PYTHON

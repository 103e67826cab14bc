#!/bin/sh
# What: python-barcode makes an EAN-13 out of a carton's GTIN-14 by cutting it and reckoning a new check
#   digit.
# Versions: python-barcode 0.16.1.
# Expected: an error: 14 digits are too many, and their check digit is right as it stands.
# Observed: the last two digits go, a new check digit comes, and the label shows a valid number of something
#   else.
# Why it matters: carton and item differ in just this number (GTIN-14 and EAN-13): the wrong label scans
#   without complaint.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check python-barcode==0.16.1 python-stdnum==2.2
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import barcode
from stdnum import ean

carton = "19521234543210"  # a valid GTIN-14: a carton of 9521234543213
printed = barcode.get("ean13", carton).get_fullcode()
print(f"python-barcode {version('python-barcode')}")
print("expected: an error, since an EAN-13 can't hold a GTIN-14")
print(f"observed: {carton} (valid: {ean.is_valid(carton)}) is printed as {printed} (valid: {ean.is_valid(printed)})")
if printed != "1952123454323" or not (ean.is_valid(carton) and ean.is_valid(printed)):
    raise SystemExit("changed: the GTIN-14 is no longer cut down to another valid EAN-13")
PYTHON

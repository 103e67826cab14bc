#!/bin/sh
# What: a Code 39 label written by python-barcode comes back from zxing-cpp with one character more.
# Versions: python-barcode 0.16.1 and zxing-cpp 3.1.1.
# Expected: the same text; Code 39's check character is optional, and few readers look for one.
# Observed: the writer adds the check character, the reader takes it for part of the text: KX-17 reads as
#   KX-17B.
# Why it matters: a rack's label read by camera names a location that the WMS doesn't know, or that is
#   another's.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check python-barcode[images]==0.16.1 zxing-cpp==3.1.1
"$work/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import barcode
import zxingcpp
from barcode.writer import ImageWriter
from PIL import Image

read = {}
for location in ("KX-17", "R01-L02-P03"):
    buffer = io.BytesIO()
    barcode.get("code39", location, writer=ImageWriter()).write(buffer, {"write_text": False})
    read[location] = [found.text for found in zxingcpp.read_barcodes(Image.open(buffer))]
print(f"python-barcode {version('python-barcode')}, zxing-cpp {version('zxing-cpp')}")
print("expected: the reader gives back what the writer was given")
print(f"observed: {read}")
if read != {"KX-17": ["KX-17B"], "R01-L02-P03": ["R01-L02-P03M"]}:
    raise SystemExit("changed: writer and reader treat the check character otherwise")
PYTHON

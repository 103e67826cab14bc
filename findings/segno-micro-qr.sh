#!/bin/sh
# What: segno.make chooses a Micro QR code for a short text, which OpenCV 5's QR detector doesn't read.
# Versions: segno 1.6.6, OpenCV 5.0.0.93.
# Expected: a library for QR codes and a detector of QR codes agree on every text.
# Observed: the short location code comes back as an empty text with no error; make_qr's, and any longer
#   text's, is read.
# Why it matters: labels pass a trial with long codes, then exactly the racks with short codes stay unread.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check segno==1.6.6 opencv-python-headless==5.0.0.93 pillow==13.0.0
"$work/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import cv2
import numpy as np
import segno
from PIL import Image


def read(code: segno.QRCode) -> str:
    buffer = io.BytesIO()
    code.save(buffer, kind="png", scale=8, border=4)
    return cv2.QRCodeDetector().detectAndDecode(np.asarray(Image.open(buffer).convert("L")))[0]


short, long = "R01-L02-P03", "R01-L02-P03-longer-code-0001"
observed = {
    "make(short)": read(segno.make(short)),
    "make_qr(short)": read(segno.make_qr(short)),
    "make(long)": read(segno.make(long)),
}
print(f"segno {version('segno')}, OpenCV {cv2.__version__}")
print("expected: all three are read")
print(f"observed: {observed}; make(short) is a {segno.make(short).designator}")
if observed != {"make(short)": "", "make_qr(short)": short, "make(long)": long}:
    raise SystemExit("changed: another of the three is read, or not read")
PYTHON

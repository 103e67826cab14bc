#!/bin/sh
# What: Pillow turns a 16-bit grey photo into an all but white one when it is converted to RGB.
# Versions: Pillow 13.0.0; OpenCV 5.0.0.93 to compare.
# Expected: the values are scaled to 8 bits, as OpenCV scales them.
# Observed: everything above 255 of 65,535 becomes 255, with no warning: the picture is white.
# Why it matters: industrial monochrome cameras save 16-bit PNG; training photos from them are silently blank.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 opencv-python-headless==5.0.0.93
"$work/venv/bin/python" - <<'PYTHON'
import io

import cv2
import numpy as np
import PIL
from PIL import Image

ramp = np.linspace(2_000, 60_000, 4096).reshape(64, 64).astype(np.uint16)
buffer = io.BytesIO()
Image.fromarray(ramp).save(buffer, "PNG")
by_pillow = np.asarray(Image.open(buffer).convert("RGB"))
by_opencv = cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR)
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}")
print("expected: 16 bits are scaled to 8, from about 8 to 234, as OpenCV does")
print(f"observed: Pillow {by_pillow.min()} to {by_pillow.max()}, OpenCV {by_opencv.min()} to {by_opencv.max()}")
if (by_pillow.min(), by_pillow.max()) != (255, 255):
    raise SystemExit("changed: Pillow no longer cuts 16 bits off at 255")
if not (by_opencv.min() < 10 and by_opencv.max() > 230):
    raise SystemExit("changed: OpenCV scales otherwise")
PYTHON

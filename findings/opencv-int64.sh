#!/bin/sh
# What: OpenCV 5 takes numpy's 64-bit whole numbers for 32-bit ones, without a word.
# Versions: OpenCV 5.0.0.93, whose matrices have a 64-bit depth.
# Expected: the sum as int64, or an error.
# Observed: the upper half is dropped: 2^40 + 2^40 is 0 as int32.
# Why it matters: int64 is numpy's own type for sums and nanoseconds: a difference or sum of them looks like
#   an even frame.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check opencv-python-headless==5.0.0.93
"$work/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np

stamps = np.full((2, 5), 2**40, np.int64)
total = cv2.add(stamps, stamps)
print(f"OpenCV {cv2.__version__}")
print(f"expected: {2**41} as int64, or an error as for bool")
print(f"observed: {total[0, 0]} as {total.dtype}")
if total.dtype != np.int32 or total.any():
    raise SystemExit("changed: 64-bit whole numbers are no longer cut to 32 bits")
PYTHON

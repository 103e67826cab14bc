#!/bin/sh
# What: OpenCV's add, absdiff and multiply turn arrays of one to four values into four rows.
# Versions: OpenCV 5.0.0.93 (whose arrays of one dimension otherwise stay of one dimension).
# Expected: three values give three values, as five give five.
# Observed: up to four values are taken for a Scalar: the result is (4, 1), filled up with zeros.
# Why it matters: figures of a rack's level (a brightness for each of three locations) gain a fourth location
#   that is 0.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check opencv-python-headless==5.0.0.93
"$work/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np

shapes = {}
for length in range(1, 7):
    values = np.arange(1, length + 1, dtype=np.float32)
    shapes[length] = {operation(values, values).shape for operation in (cv2.add, cv2.absdiff, cv2.multiply)}
three = np.array([1, 2, 3], np.float32)
total = cv2.add(three, three).ravel().tolist()
print(f"OpenCV {cv2.__version__}")
print("expected: as many values as went in, as addWeighted gives")
print(f"observed: shapes by length {shapes}; [1, 2, 3] + [1, 2, 3] = {total}")
if shapes != {n: {(4, 1)} if n <= 4 else {(n,)} for n in range(1, 7)} or total != [2, 4, 6, 0]:
    raise SystemExit("changed: short vectors come back in another shape")
if cv2.addWeighted(three, 0.5, three, 0.5, 0).shape != (3,):
    raise SystemExit("changed: addWeighted too")
PYTHON

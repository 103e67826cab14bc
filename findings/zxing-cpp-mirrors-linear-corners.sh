#!/bin/sh
# What: the corners that zxing-cpp gives of a Code 128 on its head go round the other way than those of a QR code.
# Versions: zxing-cpp 3.1.1, numpy 2.4.6.
# Expected: "top left, top right, bottom right, bottom left" go round one way, whichever way the label is turned, as
#   they do for matrix codes.
# Observed: turned to the left by 90 and 180 degrees, the corners of a linear code go round the other way: left and right are the code's
#   own, top and bottom the picture's.
# Why it matters: whoever reckons from the corners where a label's top is finds the shelf below it, not above.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check zxing-cpp==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import zxingcpp


def way_round(position):
    """1 where the corners go round clockwise in the picture, -1 the other way."""
    top = position.top_right.x - position.top_left.x, position.top_right.y - position.top_left.y
    side = position.bottom_left.x - position.top_left.x, position.bottom_left.y - position.top_left.y
    return int(np.sign(top[0] * side[1] - top[1] * side[0]))


seen = {}
for kind in (zxingcpp.BarcodeFormat.Code128, zxingcpp.BarcodeFormat.QRCode):
    drawn = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("A-01-3-05", kind), scale=3)
    upright = np.pad(np.array(drawn), 20, constant_values=255)
    for turns in range(4):
        found = zxingcpp.read_barcode(np.ascontiguousarray(np.rot90(upright, turns)))
        seen[str(kind), 90 * turns] = way_round(found.position)
print(f"zxing-cpp {version('zxing-cpp')}, numpy {version('numpy')}")
print("expected: 1 at every turn")
print(f"observed: {seen}")
changed = {turn: way for (kind, turn), way in seen.items() if kind.startswith("Code")} != {0: 1, 90: -1, 180: -1, 270: 1}
raise SystemExit("it has changed" if changed or any(w != 1 for (k, _), w in seen.items() if k.startswith("QR")) else 0)
PYTHON

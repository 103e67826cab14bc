#!/bin/sh
# What: a short list of French names in Windows-1252 is taken for Central European (mac_latin2), and its letters become other letters.
# Versions: charset-normalizer 3.5.3.
# Expected: cp1252, or several candidates that are told to be equally likely; the text is plain French.
# Observed: another code page comes first, without a doubt being told: "Crème brûlée" is read as "CrŤme brŻlťe".
# Why it matters: lists of products are short texts of names. What is read is valid text of another product's name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check charset-normalizer==3.5.3
"$work/venv/bin/python" - <<'PYTHON'
from charset_normalizer import from_bytes

text = "location;sku\nA-1;Crème brûlée\nA-2;Thé à la menthe\nA-3;Pâté de forêt\n"
best = from_bytes(text.encode("cp1252")).best()
print("charset-normalizer 3.5.3")
print("expected: cp1252, Crème brûlée")
print(f"observed: {best.encoding}, {str(best).splitlines()[1].partition(';')[2]}")
if best.encoding == "cp1252" or str(best) == text:
    raise SystemExit("changed")
PYTHON

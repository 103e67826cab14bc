#!/bin/sh
# scikit-learn 1.9.1: StratifiedGroupKFold leaves a class out of a training fold, and says nothing.
# Expected: "stratified" keeps every class in every training part, or warns as StratifiedKFold does for rare classes.
# Observed: where a class's photos are one burst (group), one split trains without that class; no warning is given.
# Why it matters: 10 photos of a product taken in one go are one group: its accuracy in that fold is 0 by construction.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PY'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

labels = np.repeat([0, 1, 2], 12)
groups = np.concatenate([np.arange(12), 12 + np.arange(12), np.full(12, 24)])  # the third class is one burst
lost = []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for train, _ in StratifiedGroupKFold(3, shuffle=True, random_state=0).split(labels, labels, groups):
        lost.append(sorted(set(labels) - set(labels[train])))
print(f"scikit-learn {version('scikit-learn')}: classes that each of three training parts lacks: {lost}")
print(f"warnings: {[str(each.message) for each in caught]}")
sys.exit(0 if any(lost) and not caught else "changed: it warns, or keeps every class")
PY

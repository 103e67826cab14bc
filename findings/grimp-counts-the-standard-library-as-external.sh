#!/bin/sh
# grimp 3.19 (import-linter's graph): "external packages" are the standard library too.
# Expected: include_external_packages adds distributions that are installed beside the project.
# Observed: typing, __future__ and the like are modules of the graph; a module's imports of them are edges as any other.
# Why it matters: a rule that lists which distributions a package may import refuses every file of the project.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check grimp==3.19
mkdir "$folder/shelf"
printf 'from __future__ import annotations\nimport json\n' > "$folder/shelf/__init__.py"
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import grimp

graph = grimp.build_graph("shelf", include_external_packages=True, cache_dir=None)
print(f"grimp {version('grimp')}: modules {sorted(graph.modules)}")
sys.exit(0 if {"json", "__future__"} <= graph.modules else "changed: the standard library is left out")
PY

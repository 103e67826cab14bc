"""What an environment's Python has to compile at every start."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

_ASK = """
import importlib, json, pathlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
installed = [spec for spec in specs if spec.cached and "site-packages" in spec.cached]
print(json.dumps(sorted(spec.name for spec in installed if not pathlib.Path(spec.cached).exists())))
"""


def without_byte_code(python: Path, modules: tuple[str, ...] = ("edge_agent.cli", "edge_agent.wms.cli")) -> list[str]:
    """The installed modules that come with these imports and have no byte code on the disk."""
    asked = subprocess.run(
        [python, "-B", "-c", _ASK, *modules], capture_output=True, text=True, check=True, timeout=120
    )
    names: list[str] = json.loads(asked.stdout)
    return names

"""What an environment's Python has to compile at every start."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.patience import PATIENCE_S

_ASK = """
import importlib, json, pathlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
cached = {spec.name: spec.cached for spec in specs if spec.cached}
print(json.dumps([len(cached), sorted(name for name, path in cached.items() if not pathlib.Path(path).exists())]))
"""
_AT_LEAST = 300
"""So many modules are imported by the lightest command; fewer: the question is wrong."""


def without_byte_code(
    python: Path, folder: Path, environment: Mapping[str, str], modules: tuple[str, ...]
) -> list[str]:
    """The modules, Python's own too, that come with these imports and have no byte code on the disk.

    Asked in `folder`, so that nothing of the checkout is imported by chance.
    """
    words: list[str | Path] = [python, "-B", "-P", "-c", _ASK, *modules]
    asked = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=5 * PATIENCE_S
    )
    count, names = json.loads(asked.stdout)
    assert count >= _AT_LEAST
    return [str(name) for name in names if name != "__main__"]

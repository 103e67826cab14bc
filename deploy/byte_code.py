"""Leave byte code of modules and of all that they import: byte_code.py MODULE ... (PACKAGE.* for all of a package).

An environment is installed without byte code, for most of it is never used. That of what is used is made here, once:
where Python can't or may not write it, it would be made, and thrown away, at every start.
"""  # noqa: INP001 - a script of its own

import importlib
import pkgutil
import sys
from collections.abc import Iterator


def modules(name: str) -> Iterator[str]:
    """The module of this name, or all of a package."""
    package = name.removesuffix(".*")
    yield package
    if name != package:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield found.name


for asked in sys.argv[1:]:
    for module in modules(asked):
        importlib.import_module(module)

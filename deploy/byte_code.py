"""Leave byte code of modules and of all that they import: byte_code.py MODULE ... (PACKAGE.* for all of a package).

An environment is installed without byte code, for most of it is never used. That of what is used is made here, once:
where Python can't or may not write it, it would be made, and thrown away, at every start.
"""  # noqa: INP001 - a script of its own

import importlib
import pkgutil
import sys
from collections.abc import Iterator

from kardus.support.errors import KardusError


def modules(name: str) -> Iterator[str]:
    """The module of this name, or all of a package."""
    package = name.removesuffix(".*")
    yield package
    if name != package:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield found.name


def leave_byte_code(asked: str) -> None:
    """Import a module, or those of a package whose optional libraries are installed."""
    for name in modules(asked):
        try:
            importlib.import_module(name)
        except (ModuleNotFoundError, KardusError) as error:  # a room may say in its own words what it lacks
            lacking = error if isinstance(error, ModuleNotFoundError) else error.__cause__
            if name == asked or not isinstance(lacking, ModuleNotFoundError) or _is_ours(lacking.name or "", asked):
                raise


def _is_ours(name: str, asked: str) -> bool:
    return name.partition(".")[0] == asked.partition(".")[0]


for word in sys.argv[1:]:
    leave_byte_code(word)

"""Reads configurations, however they are given."""

import tomllib
from pathlib import Path
from typing import Any

from kardus.support.input_files import read_file


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file, or what comes through a pipe; without the mark of Windows' editors.

    Raises:
        OSError: it can't be read, or is a pipe into which nobody writes.
        UnicodeDecodeError, tomllib.TOMLDecodeError: it isn't in UTF-8, or isn't TOML.
    """
    return tomllib.loads(read_file(path).decode("utf-8-sig"))

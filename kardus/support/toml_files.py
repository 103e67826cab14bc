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
    return toml_of(read_file(path))


def toml_of(content: bytes) -> dict[str, Any]:
    """The same, of the file's bytes.

    Raises:
        UnicodeDecodeError, tomllib.TOMLDecodeError: it isn't in UTF-8, or isn't TOML.
    """
    text = content.decode("utf-8-sig")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("lists or tables too deep within one another") from error
    except ValueError as error:
        raise tomllib.TOMLDecodeError(f"a number of too many digits ({error})") from error

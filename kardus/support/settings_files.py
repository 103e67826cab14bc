"""Files of settings (TOML): read as a model, or refused in one line that names the key, its value and the remedy."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError, ValidationInfo

from kardus.support.errors import UsageError
from kardus.support.secrets import secret_file
from kardus.support.toml_files import read_toml

_LOGIN = re.compile(r"^(?P<scheme>[a-z]+://)?.*@", re.DOTALL)
"""User and password in an address, whatever they are made of: an error must not show them."""
_QUESTION = re.compile(r"\?.*", re.DOTALL)
"""What an address asks: there may be a key in it."""
_SECRET = re.compile("pass|secret|token|credential", re.IGNORECASE)
"""In a key: its value isn't shown either."""
_TAGS = ("kind", "type")
"""Keys that say which of several tables one is."""
_MAX_SHOWN = 100
"""Characters of a value."""
_OWN = ("value_error", "assertion_error")
"""Types of errors whose words are ours, and name the remedy; the others' are pydantic's."""
FileModel = TypeVar("FileModel", bound=BaseModel)
Wrong = Mapping[str, Any]
"""What pydantic says of one thing that is wrong: its `type`, place (`loc`), `input` and words (`msg`)."""


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    """A path in a file is relative to its folder (in the context), one on a command line to the present folder."""
    return Path((info.context or {}).get("folder", "")) / secret_file(path)


FilePath = Annotated[Path, AfterValidator(_relative_to_file)]
"""A path, relative to the file that names it, or beginning with `$CREDENTIALS_DIRECTORY` (systemd's credentials)."""


def read_settings_file(
    path: Path, kind: type[FileModel], page: str, *, option: str = "", remedy: str = ""
) -> FileModel:
    """Read a file.

    Args:
        path: the file.
        kind: what it holds.
        page: where its keys are documented, such as docs/wms.md.
        option: of the command, where the file is named by one.
        remedy: where it can't be read; by default to write it as the page shows.

    Raises:
        UsageError: it isn't there, isn't TOML, or a key of it is wrong.
    """
    named = f"{option} {path}".lstrip()
    try:
        content = read_toml(path)
        return kind.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{named}: cannot be read ({reason}): {remedy or f'write it as {page} shows'}") from error
    except ValidationError as error:
        raise UsageError(f"{named}: {explain_settings(error, content, page)}") from error


def explain_settings(error: ValidationError, content: Mapping[str, Any], page: str) -> str:
    """The first thing that is wrong with the content of a file, and what to do."""
    first = first_of(error)
    key = key_of(first, content)
    if first["type"] == "missing":
        return f"{key}: missing: add it (see {page})"
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key: see {page}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] not in _OWN:
        message = f"{message[:1].lower()}{message[1:]}: see {page}"
    return f"{key}{_shown(first)}: {message}" if key else message


def first_of(error: ValidationError) -> Wrong:
    """A misspelt key is also a missing one: the spelling that stands there comes first."""
    return min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")


def key_of(wrong: Wrong, content: Mapping[str, Any]) -> str:
    """The key as it stands in the file: pydantic's place also has parts that nobody wrote, such as a union's tag."""
    parts: list[str] = []
    at: Any = content
    tag = None
    for part in wrong["loc"]:
        if part == tag:
            tag = None
            continue
        is_last = part is wrong["loc"][-1]
        is_there = part in at if isinstance(at, dict) else isinstance(at, list) and part in range(len(at))
        if is_there:
            at = at[part]
            tag = next((at[key] for key in _TAGS if key in at), None) if isinstance(at, dict) else None
        if is_there or (is_last and wrong["type"] == "missing"):
            parts.append(str(part) if str(part).isprintable() else repr(part))
    return ".".join(parts)


def _shown(wrong: Wrong) -> str:
    value, key = wrong["input"], str(wrong["loc"][-1]) if wrong["loc"] else ""
    is_secret = _SECRET.search(key) and not key.endswith("_file")
    if is_secret or not isinstance(value, str | int | float):
        return ""
    return f" = {shown_value(value)}"


def shown_value(value: object) -> str:
    """A value of a file, for an error: without logins, and not too long."""
    if isinstance(value, str):
        value = _LOGIN.sub(lambda found: f"{found['scheme'] or ''}...@", value)
        value = _QUESTION.sub("?...", value) if "/" in value else value
        value = value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}..."
    return repr(value)

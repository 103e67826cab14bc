"""Resolves relative paths in a file of settings: below the file's folder, wherever the command is started."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class NamesFile:
    """Marks a setting that is a text and may name a file, as a database's address: `Annotated[str, NamesFile(...)]`."""

    below: Callable[[str, Path], str]
    """Gives the text as it is when what it names begins at a folder."""


def with_paths_below_file(settings: Settings, file: Path) -> Settings:
    """The settings that were read from `file`, with every relative path below its folder.

    What comes through a pipe has no folder: its paths begin where the command was started.
    """
    return _below(settings, file.absolute().parent) if file.is_file() else settings


def _below(settings: Settings, folder: Path) -> Settings:
    moved = {name: _moved(value, folder) for name, value in settings}
    for name, field in type(settings).model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, NamesFile):
                moved[name] = mark.below(moved[name], folder)
    return settings.model_copy(update=moved)


def _moved(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, BaseModel):
        return _below(value, folder)
    if isinstance(value, dict):
        return {key: _moved(one, folder) for key, one in value.items()}
    return value

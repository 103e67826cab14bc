"""Paths in a file of settings begin at the file's own folder, wherever the command that reads it is started."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

Settings = TypeVar("Settings", bound=BaseModel)


def placed(settings: Settings, file: Path) -> Settings:
    """The settings that were read from `file`, with every relative path below its folder.

    What comes through a pipe has no folder: its paths begin where the command was started.
    """
    return _below(settings, file.absolute().parent) if file.is_file() else settings


def _below(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={name: _moved(value, folder) for name, value in settings})


def _moved(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, BaseModel):
        return _below(value, folder)
    if isinstance(value, dict):
        return {key: _moved(one, folder) for key, one in value.items()}
    return value

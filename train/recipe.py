"""Recipes: a training run's configuration as a small TOML file.

Some come with Kardus (`train/recipes`), and every run writes its own, from which it can be reproduced.
"""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from kardus.support.errors import UsageError
from kardus.support.files import write_whole
from kardus.support.input_files import read_file
from kardus.support.toml_files import toml_of
from train.config import TrainConfig, make_config

FILE = "recipe.toml"
DEFAULT = "kardus"
_OURS = files("train") / "recipes"


def recipe_names() -> list[str]:
    """The names of the recipes that come with Kardus."""
    return sorted(entry.name.removesuffix(".toml") for entry in _OURS.iterdir() if entry.name.endswith(".toml"))


def read_recipe(recipe: str) -> dict[str, Any]:
    """The values of a recipe: one of `names`, a file, or a run's folder.

    Raises:
        UsageError: there is no such recipe, it is not TOML, or a value is wrong; the message names the key.
    """
    own = _OURS / f"{recipe}.toml"
    path = Path(recipe) / FILE if Path(recipe).is_dir() else Path(recipe)
    try:
        values = toml_of(own.read_bytes() if recipe in recipe_names() else read_file(path))
    except OSError as error:
        raise UsageError(
            f"--recipe {recipe}: no such recipe: use {', '.join(recipe_names())}, a .toml file, or a run's folder"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--recipe {path}: not valid TOML: {error}") from error
    strange = sorted(set(values) - set(TrainConfig.model_fields))
    if strange:
        raise UsageError(f"--recipe {recipe}: {strange[0]}: no such key: see the options of kardus-train fit")
    make_config(**values)
    return values


def write_recipe(path: Path, config: TrainConfig) -> None:
    """Write every value of a configuration as TOML; JSON's scalars and lists are valid TOML."""
    values = config.model_dump(mode="json")
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    write_whole(path, ("# kardus-train fit DATA --recipe THIS_FILE --out RUN\n" + "\n".join(lines) + "\n").encode())

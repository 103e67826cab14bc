"""Every field of the configuration as a command-line option, defined once: in `train.config`."""

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from train.config import TrainConfig, make_config
from train.recipe import DEFAULT, read_recipe

_LISTS = tuple(name for name, info in TrainConfig.model_fields.items() if get_origin(info.annotation) is tuple)


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes them as `**options`, an option for every field of TrainConfig.

    The defaults that its help shows are those of the default recipe.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    shown = make_config(**read_recipe(DEFAULT)).model_dump()
    added = [_parameter(name, info, shown[name]) for name, info in TrainConfig.model_fields.items()]
    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *added)} | {"return": None}
    return command


def given_options(context: typer.Context) -> dict[str, Any]:
    """The fields of the configuration given on the command line; they override the recipe's values."""
    given = {
        name: value
        for name, value in context.params.items()
        if name in TrainConfig.model_fields and getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    return given | {name: given[name].split(",") for name in _LISTS if name in given}


def _parameter(name: str, info: FieldInfo, shown: Any) -> inspect.Parameter:
    default = ",".join(map(str, shown)) if name in _LISTS else shown
    option = typer.Option(help=info.description)
    kind: Any = Annotated[_plain(info.annotation), option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _plain(annotation: Any) -> type:
    """The type that the command line parses; ranges and choices are validated by the configuration itself."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Literal, tuple, Union, UnionType):
        return str
    return annotation if isinstance(annotation, type) else str

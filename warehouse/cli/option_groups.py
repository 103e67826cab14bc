"""Options that belong together, written once for every command that has them."""

import inspect
from collections.abc import Callable
from typing import Any


def with_options(command: Callable[..., None], name: str, group: Callable[..., Any]) -> Callable[..., None]:
    """Let a command that takes `name` have the options of `group`, which makes its value, in its place.

    Typer makes the options of a command from its signature: this one's is put together from both. An option that the
    command has too, with another default or help, is the command's.
    """
    own, options = inspect.signature(command).parameters, inspect.signature(group).parameters

    def with_group(**given: Any) -> None:
        made = {name: group(**{option: given[option] for option in options})}
        command(**made, **{option: value for option, value in given.items() if option in own})

    others = [option for key, option in options.items() if key not in own]
    named = [option for key, one in own.items() for option in (others if key == name else [one])]
    keyword_only = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in named]
    with_group.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined] # PEP 362
    with_group.__annotations__ = {option.name: option.annotation for option in named}
    with_group.__doc__ = command.__doc__
    return with_group

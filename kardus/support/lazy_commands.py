"""Commands whose modules are imported when they are called: what `run` doesn't need, its start doesn't wait for."""

import importlib
from collections.abc import Mapping
from typing import Any

import typer.main
from typer.core import TyperGroup


def lazy_group(modules: Mapping[str, str]) -> type[TyperGroup]:
    """A group that has, beside its own commands, those of other modules.

    Args:
        modules: the name of a command or a group, and the module whose `app` it is.
    """

    class LazyCommands(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            names: dict[str, Any] = dict.fromkeys(modules)  # listed, and proposed for what is misspelt
            self.commands = {**self.commands, **names}

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """The command of that name; None where there is none."""
            if cmd_name not in modules:
                return super().get_command(ctx, cmd_name)
            command = typer.main.get_command(importlib.import_module(modules[cmd_name]).app)
            command.name = cmd_name
            return command

    return LazyCommands

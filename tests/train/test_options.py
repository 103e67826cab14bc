"""Every field of the configuration is an option, told once."""

import pytest
import typer.main

from train.cli import app
from train.config import TrainConfig, make_config
from train.recipe import read_recipe


def test_every_field_is_an_option_of_fit_with_its_words_the_default_recipes_value() -> None:
    recipe = make_config(**read_recipe("kardus")).model_dump()
    fit = next(c for name, c in typer.main.get_command(app).commands.items() if name == "fit")  # type: ignore[attr-defined]
    options = {parameter.name: parameter for parameter in fit.params}
    for name, info in TrainConfig.model_fields.items():
        assert info.description, f"{name} is not described"
        assert options[name].help == info.description
        value = recipe[name]
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
        assert options[name].default == shown


@pytest.mark.parametrize("name", ["epochs", "clutter", "rmcsam-kernels", "protocol"])
def test_options_are_written_with_hyphens(name: str) -> None:
    fit = typer.main.get_command(app).commands["fit"]  # type: ignore[attr-defined]
    assert any(f"--{name}" in parameter.opts for parameter in fit.params)

"""Every field of the configuration is an option, told once."""

import pytest
import typer.main

from train.cli import app
from train.config import TrainConfig


def test_every_field_is_an_option_of_fit_with_its_words_and_default() -> None:
    fit = next(c for name, c in typer.main.get_command(app).commands.items() if name == "fit")  # type: ignore[attr-defined]
    options = {parameter.name: parameter for parameter in fit.params}
    for name, info in TrainConfig.model_fields.items():
        assert info.description, f"{name} is not described"
        assert options[name].help == info.description
        shown = ",".join(map(str, info.default)) if isinstance(info.default, tuple) else info.default
        assert options[name].default == shown


@pytest.mark.parametrize("name", ["epochs", "clutter", "rmcsam-kernels", "protocol"])
def test_options_are_written_with_hyphens(name: str) -> None:
    fit = typer.main.get_command(app).commands["fit"]  # type: ignore[attr-defined]
    assert any(f"--{name}" in parameter.opts for parameter in fit.params)

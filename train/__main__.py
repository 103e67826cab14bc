"""`kardus-train` and `python -m train`."""

import typer

from kardus.support.console import run_with_extra


def main() -> None:
    """Run the command line; report in one line if the `train` extra isn't installed."""
    run_with_extra(
        _load,
        "kardus-train",
        "train",
        ("torch", "torchvision", "lightning_fabric", "matplotlib", "scipy", "sklearn", "jinja2"),
    )


def _load() -> typer.Typer:
    from train.cli import app  # noqa: PLC0415 - a missing package is reported in one line

    return app


if __name__ == "__main__":
    main()

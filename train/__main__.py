"""`kardus-train` and `python -m train`."""

from kardus.support.loading import loading


def main() -> None:
    """Run the command line; report in one line if the `train` extra isn't installed."""
    with loading():
        from kardus.support.console import run_with_extra  # noqa: PLC0415 - rich and typer are loaded, too

    run_with_extra(
        "train.cli",
        "kardus-train",
        "train",
        ("torch", "torchvision", "lightning_fabric", "matplotlib", "scipy", "sklearn", "jinja2"),
    )


if __name__ == "__main__":
    main()

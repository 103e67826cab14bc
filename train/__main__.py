"""`kardus-train` and `python -m train`."""

from kardus.support.console import run_with_extra


def main() -> None:
    """Run the command line; report in one line if the `train` extra isn't installed."""
    run_with_extra(
        "train.cli",
        "kardus-train",
        "train",
        ("torch", "torchvision", "lightning_fabric", "matplotlib", "scipy", "sklearn", "jinja2"),
    )


if __name__ == "__main__":
    main()

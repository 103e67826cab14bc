"""`kardus-train` and `python -m train`."""

from __future__ import annotations

from kardus.support.console import missing_extra, run_app
from train.cli import app

_HEAVY = ("torch", "torchvision", "lightning_fabric", "matplotlib", "scipy", "sklearn", "jinja2")


def main() -> None:
    """Run the command line; say in one line when the `train` extra isn't installed."""
    try:
        run_app(app)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _HEAVY:
            raise
        missing_extra("kardus-train", "train", error.name)


if __name__ == "__main__":
    main()

"""`kardus-train` and `python -m train`."""

from __future__ import annotations

from edge_agent.console import missing_extra, run_app

_HEAVY = ("torch", "torchvision", "lightning", "matplotlib")


def main() -> None:
    """Run the command line; say in one line when the `train` extra isn't installed."""
    try:
        from train.cli import app  # noqa: PLC0415 - so that a missing torch is told, not raised
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _HEAVY:
            raise
        missing_extra("kardus-train", "train", error.name)
    else:
        run_app(app)


if __name__ == "__main__":
    main()

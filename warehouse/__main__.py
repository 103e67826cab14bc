"""`kardus-wms` and `python -m warehouse`."""

import typer

from kardus.support.console import run_with_extra


def main() -> None:
    """Run the command line; say in one line when the `warehouse` extra isn't installed."""
    run_with_extra(_load, "kardus-wms", "warehouse", ("httpx2", "jinja2", "standardwebhooks"))


def _load() -> typer.Typer:
    from warehouse.cli import app  # noqa: PLC0415 - what is missing is told in one line

    return app


if __name__ == "__main__":
    main()

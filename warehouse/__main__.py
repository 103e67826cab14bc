"""`kardus-wms` and `python -m warehouse`."""

from __future__ import annotations

from kardus.support.console import missing_extra, run_app

_OF_THE_EXTRA = ("httpx2", "jinja2", "standardwebhooks")


def main() -> None:
    """Run the command line; say in one line when the `warehouse` extra isn't installed."""
    try:
        from warehouse.cli import app  # noqa: PLC0415 - what is missing is told in one line

        run_app(app)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _OF_THE_EXTRA:
            raise
        missing_extra("kardus-wms", "warehouse", error.name)


if __name__ == "__main__":
    main()

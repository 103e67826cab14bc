"""`kardus-wms` and `python -m warehouse`."""

from kardus.support.loading import loading


def main() -> None:
    """Run the command line; say in one line when the `warehouse` extra isn't installed."""
    with loading():
        from kardus.support.console import run_with_extra  # noqa: PLC0415 - rich and typer are loaded, too

    run_with_extra(
        "warehouse.cli.main",
        "kardus-wms",
        "warehouse",
        ("argon2", "babel", "fastapi", "httpx2", "jinja2", "standardwebhooks", "uvicorn"),
    )


if __name__ == "__main__":
    main()

"""`kardus-export` and `python -m export`."""

from kardus.support.loading import loading


def main() -> None:
    """Run the command line."""
    with loading():
        from kardus.support.console import run_with_extra  # noqa: PLC0415 - rich and typer are loaded, too

    run_with_extra("export.cli", "kardus-export", "export", ())


if __name__ == "__main__":
    main()

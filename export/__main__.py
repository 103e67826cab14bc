"""`kardus-export` and `python -m export`."""

from export.cli import app
from kardus.support.console import run_app


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()

"""`kardus-export` and `python -m export`."""

from __future__ import annotations

from edge_agent.console import run_app
from export.cli import app


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()

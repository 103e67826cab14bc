"""`kardus-agent` and `python -m edge_agent`."""

import typer

from kardus.support.console import run_with_extra


def main() -> None:
    """Run the command line; say in one line when the `agent` extra isn't installed."""
    run_with_extra(_load, "kardus-agent", "agent", ("av", "httpx2", "onnxruntime", "prometheus_client"))


def _load() -> typer.Typer:
    from edge_agent.cli.main import app  # noqa: PLC0415 - what is missing is told in one line

    return app


if __name__ == "__main__":
    main()

"""`kardus-agent` and `python -m edge_agent`."""

from __future__ import annotations

from kardus.support.console import missing_extra, run_app

_OF_THE_EXTRA = ("av", "httpx2", "onnxruntime", "prometheus_client")


def main() -> None:
    """Run the command line; say in one line when the `agent` extra isn't installed."""
    try:
        from edge_agent.cli.main import app  # noqa: PLC0415 - what is missing is told in one line

        run_app(app)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _OF_THE_EXTRA:
            raise
        missing_extra("kardus-agent", "agent", error.name)


if __name__ == "__main__":
    main()

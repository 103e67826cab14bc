"""`kardus-agent` and `python -m edge_agent`."""

from kardus.support.loading import loading


def main() -> None:
    """Run the command line; say in one line when the `agent` extra isn't installed."""
    with loading():
        from kardus.support.console import run_with_extra  # noqa: PLC0415 - rich and typer are loaded, too

    run_with_extra("edge_agent.cli.main", "kardus-agent", "agent", ("av", "httpx2", "onnxruntime", "prometheus_client"))


if __name__ == "__main__":
    main()

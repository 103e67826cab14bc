"""`python -m edge_agent.simulation`, the same as `kardus-agent simulate`."""

from __future__ import annotations

from edge_agent.console import run_app
from edge_agent.simulation.cli import app

if __name__ == "__main__":
    run_app(app)

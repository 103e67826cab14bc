"""`python -m simulator`, the same as `kardus-agent simulate`."""

from kardus.support.console import run_app
from simulator.cli import app

if __name__ == "__main__":
    run_app(app)

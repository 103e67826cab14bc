"""`python -m edge_agent.wms`."""

from __future__ import annotations

from edge_agent.wms.cli import main

if __name__ == "__main__":
    main()

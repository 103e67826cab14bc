"""How long 150,000 locations of a database are asked for and compared: python -m tests.scripts.sync_scale.

Nothing is published: what is retained already equals the answer but for one location in a thousand. Each round is a
process of its own, so that its memory can be told.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.warehouse.connectors.sync.wms import SQL, Stock, write_database
from warehouse.connectors.sync.reconcile import plan
from warehouse.connectors.sync.settings import make_source, read_settings
from warehouse.connectors.sync.source import StockSnapshot


def _stock(locations: int) -> Stock:
    return {
        f"A{n // 1000:03}-{n % 1000:03}": None if n % 20 == 0 else (f"SKU-{n % 3000:05}", 1) for n in range(locations)
    }


def measure(folder: Path) -> dict[str, float]:
    """One round: seconds of the clock and of the processor, and the process's memory in MB."""
    settings = read_settings(folder / "sync.toml")
    source = make_source(settings)
    first = plan(source.read(), {}, 1, settings.rules)
    known = {change.location: change.expected for change in first.changes}
    del first
    clock_s, cpu_s = time.perf_counter(), time.process_time()
    snapshot = source.read()
    changed = StockSnapshot(snapshot.managed, tuple(row for row in snapshot.stock if row.line % 1000))
    found = plan(changed, known, 2, settings.rules)
    took = {"clock_s": time.perf_counter() - clock_s, "cpu_s": time.process_time() - cpu_s}
    assert found.managed == len(known)
    assert len(found.changes) == len(snapshot.stock) // 1000
    return took | {"resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=Path, help="a prepared folder: one round")
    words = parser.parse_args()
    if words.one:
        print(json.dumps(measure(words.one)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_database(folder / "wms.sqlite", _stock(words.locations))
        text = f'[source]\nkind = "sql"\nurl = "sqlite:///{folder / "wms.sqlite"}"\n{SQL}'
        (folder / "sync.toml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "tests.scripts.sync_scale", "--one", name]
        rounds = [json.loads(subprocess.check_output(command)) for _ in range(words.rounds)]
    for key in ("clock_s", "cpu_s", "resident_mb"):
        values = [found[key] for found in rounds]
        print(
            f"{key}: median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}, n = {len(values)})"
        )


if __name__ == "__main__":
    main()

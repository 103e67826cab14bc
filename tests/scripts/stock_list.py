"""How long a list of 100,000 lines is read, and published through Mosquitto: python -m tests.scripts.stock_list.

Reading is measured beside openpyxl's own reading of the same file, without anything being checked (`--rounds`).
"""

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import openpyxl

from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import read_stock


def write_list(path: Path, lines: int) -> None:
    """A workbook as an ERP system exports it: location, sku, quantity and a column that nobody asks for."""
    book, rng = openpyxl.Workbook(write_only=True), random.Random(1)
    sheet = book.create_sheet("Stock")
    sheet.append(["location", "sku", "quantity", "note"])
    for number in range(lines):
        place = f"A{number // 1000:02}-{number % 1000:04}"
        sheet.append([place, f"SKU-{rng.randrange(3000):05}", rng.randrange(1, 40), "pallet"])
    book.save(path)


def _seconds(work: Callable[[], object]) -> float:
    """Processor time, which a busy machine disturbs less than the clock's."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _read_with_openpyxl(path: Path) -> None:
    for row in openpyxl.load_workbook(path, read_only=True).active.iter_rows():
        for cell in row:
            _ = cell.value, cell.data_type


def main() -> None:
    """Print medians, the ratio, the memory and, unless it is left out, how long publishing took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-broker", action="store_true", help="only read")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "stock.xlsx"
        write_list(path, arguments.lines)
        ours = [_seconds(lambda: read_stock(path)) for _ in range(arguments.rounds)]
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs = [_seconds(lambda: _read_with_openpyxl(path)) for _ in range(arguments.rounds)]
        own, other = statistics.median(ours), statistics.median(theirs)
        print(
            f"{arguments.lines} lines, n = {arguments.rounds}: read and checked in {own:.1f} s "
            f"({min(ours):.1f} to {max(ours):.1f}); openpyxl alone {other:.1f} s: {other / own:.1f} times"
        )
        print(f"largest memory of the process, with writing the list: {memory_mb:.0f} MB")
        if not arguments.no_broker:
            _publish(path, Path(name))


def _publish(path: Path, folder: Path) -> None:
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    began = time.monotonic()
    done = publish_stock(BrokerSettings("127.0.0.1", broker.port), "s", read_stock(path), replace=False)
    print(f"{len(done)} published and looked at in {time.monotonic() - began:.1f} s, with reading the list")
    broker.kill()


if __name__ == "__main__":
    main()

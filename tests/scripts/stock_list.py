"""How long a list of 100,000 lines is read, and published through Mosquitto: python -m tests.scripts.stock_list.

Reading is measured beside openpyxl's own reading of the same file, without anything being checked (`--rounds`); of the
same list as spreadsheet programs save it, with shared texts; and of both with formatted cells far away.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import openpyxl

from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.kardus.support.tabular.workbooks.making import write_xlsx
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import read_stock

MAX_MB = "int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) / 1024"
"""Python that gives the largest memory of its process; `ru_maxrss` counts the one that started it as well."""


def write_list(path: Path, lines: int) -> None:
    """A workbook as an ERP system exports it: location, sku, quantity and a column that nobody asks for."""
    book, rng = openpyxl.Workbook(write_only=True), random.Random(1)
    sheet = book.create_sheet("Stock")
    sheet.append(["location", "sku", "quantity", "note"])
    for number in range(lines):
        place = f"A{number // 1000:02}-{number % 1000:04}"
        sheet.append([place, f"SKU-{rng.randrange(3000):05}", rng.randrange(1, 40), "pallet"])
    book.save(path)


def write_saved_list(path: Path, lines: int) -> None:
    """The same list as Excel saves it: every text once, beside the sheet, and lines with their spans."""
    rng, texts = random.Random(1), ["location", "sku", "quantity", "note", "pallet"]
    texts += [f"SKU-{number:05}" for number in range(3000)]
    rows = [f'<row r="1" spans="1:4">{"".join(_shared(place, 1, index) for index, place in enumerate("ABCD"))}</row>']
    for number in range(lines):
        texts.append(f"A{number // 1000:02}-{number % 1000:04}")
        line = number + 2
        cells = _shared("A", line, len(texts) - 1) + _shared("B", line, 5 + rng.randrange(3000))
        cells += f'<c r="C{line}"><v>{rng.randrange(1, 40)}</v></c>' + _shared("D", line, 4)
        rows.append(f'<row r="{line}" spans="1:4">{cells}</row>')
    write_xlsx(path, "".join(rows), shared="".join(f"<si><t>{text}</t></si>" for text in texts))


def _shared(column: str, line: int, index: int) -> str:
    return f'<c r="{column}{line}" t="s"><v>{index}</v></c>'


def add_far_cells(path: Path, target: Path) -> None:
    """The same workbook with formatted cells, and one with a value, in the last column and the last line there is."""
    far = '<row r="1048576"><c r="A1048576" s="0"/><c r="XFD1048576" s="0"/></row>'
    right = '<c r="XFD2" s="0"/></row><row r="3"'
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("sheet1.xml"):
                content = content.replace(b'</row><row r="3"', right.encode(), 1)
                content = content.replace(b"</sheetData>", far.encode() + b"</sheetData>")
            package.writestr(name, content)


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
        theirs = [_seconds(lambda: _read_with_openpyxl(path)) for _ in range(arguments.rounds)]
        saved = Path(name) / "saved.xlsx"
        write_saved_list(saved, arguments.lines)
        for file, said in ((path, "as ERP systems export it"), (saved, "as Excel saves it")):
            far = file.with_name(f"far-{file.name}")
            add_far_cells(file, far)
            # one after the other, so that a busy machine disturbs both
            pairs = [
                (_seconds(lambda: read_stock(file)), _seconds(lambda: read_stock(far)))  # noqa: B023 - called at once
                for _ in range(arguments.rounds)
            ]
            print(f"{arguments.lines} lines, {said}, n = {arguments.rounds}: {_said(seconds for seconds, _ in pairs)}")
            print(f"  with formatted cells far away: {_said(seconds for _, seconds in pairs)}")
        print(f"openpyxl alone, nothing checked: {_said(theirs)}")
        print(f"largest memory of a process that reads it: {_memory_mb(path):.0f} MB")
        if not arguments.no_broker:
            _publish(path, Path(name))


def _said(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    return f"{statistics.median(found):.1f} s of processor time ({found[0]:.1f} to {found[-1]:.1f})"


def _memory_mb(path: Path) -> float:
    """Of a process of its own: this one has written the list."""
    code = (
        "import sys; from pathlib import Path; from warehouse.stock.stock_list import read_stock; "
        f"read_stock(Path(sys.argv[1])); print({MAX_MB})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _publish(path: Path, folder: Path) -> None:
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    began = time.monotonic()
    done = publish_stock(BrokerSettings("127.0.0.1", broker.port), "s", read_stock(path), replace=False)
    print(f"{len(done)} published and looked at in {time.monotonic() - began:.1f} s, with reading the list")
    broker.kill()


if __name__ == "__main__":
    main()

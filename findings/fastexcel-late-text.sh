#!/bin/sh
# What: an article number that is the first text after 1,000 numeric ones disappears from a workbook.
# Versions: fastexcel 0.21.0, polars 2.1.0.
# Expected: the text itself, or an error (as polars.read_csv raises).
# Observed: fastexcel infers the type from the first 1,000 rows and makes the text None; polars.read_excel
#   then takes the row for an empty one and drops it.
# Why it matters: a stock list loses a location's article for good, and the list is short by a row that nobody
#   misses.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check fastexcel==0.21.0 polars==2.1.0 xlsxwriter==3.3.1
"$work/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import fastexcel
import polars
import xlsxwriter

buffer = io.BytesIO()
book = xlsxwriter.Workbook(buffer)
sheet = book.add_worksheet()
sheet.write_row(0, 0, ["sku"])
for row in range(1, 1500):
    sheet.write_number(row, 0, 100_000 + row)
sheet.write_string(1500, 0, "KX-17")
book.close()
stock = buffer.getvalue()
by_fastexcel = fastexcel.read_excel(stock).load_sheet(0).to_polars()["sku"]
by_polars = polars.read_excel(io.BytesIO(stock))["sku"]
print(f"fastexcel {version('fastexcel')}, polars {version('polars')}")
print("expected: 1500 article numbers, the last of them KX-17, or an error")
for name, skus in (("fastexcel", by_fastexcel), ("polars", by_polars)):
    print(f"observed: {name} has {len(skus)}, the last of them {skus[-1]}")
if by_fastexcel[-1] is not None or len(by_fastexcel) != 1500:
    raise SystemExit("changed: fastexcel no longer empties the late text")
if len(by_polars) != 1499 or by_polars.null_count():
    raise SystemExit("changed: polars no longer drops the row")
PYTHON

#!/bin/sh
# What: an error cell and a formula without a stored value are read as the empty text, exactly as a blank cell is.
# Versions: python-calamine 0.9.1, openpyxl 3.1.5.
# Expected: an error cell is told from a blank one (as its text #N/A, as None, or as an exception); so is a formula.
# Observed: '' for #N/A, for =A1 without a value, and for a blank cell. Number formats are dropped too: 0017 is 17.0.
# Why it matters: in a stock list a blank SKU may mean "must be empty": each cell that a lookup has lost becomes an
#   order to find nothing there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check python-calamine==0.9.1 openpyxl==3.1.5
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import openpyxl
import python_calamine

book = openpyxl.Workbook()
sheet = book.active
sheet.append(["error", "formula", "blank", "number"])
sheet.append(["#N/A", "=A1", None, 17])
sheet["D2"].number_format = "0000"
book.save("stock.xlsx")
reread = openpyxl.load_workbook("stock.xlsx").active
kinds = [reread[cell].data_type for cell in ("A2", "B2")]
row = python_calamine.CalamineWorkbook.from_path("stock.xlsx").get_sheet_by_index(0).to_python()[1]
print("python-calamine 0.9.1")
print(f"expected: four different things; openpyxl tells the first two apart as {kinds}, and the format as 0000")
print(f"observed: {row}")
if kinds != ["e", "f"] or row != ["", "", "", 17.0]:
    raise SystemExit("changed")
PYTHON

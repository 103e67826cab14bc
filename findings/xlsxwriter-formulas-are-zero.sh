#!/bin/sh
# What: formulas that XlsxWriter writes have a stored value of 0, which readers of values give as a number like any other.
# Versions: XlsxWriter 3.3.1, openpyxl 3.1.5, python-calamine 0.9.1.
# Expected: no stored value (as openpyxl writes formulas), so that a reader sees that nothing was calculated.
# Observed: `=B2+1` with B2 = 41 is read as 0 by openpyxl (data_only) and as 0.0 by calamine; the one sign that it is no
#   result is `fullCalcOnLoad` in the workbook's part, which neither shows.
# Why it matters: a quantity of 0 means "none of it": an export with a formula in that column empties every location.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check XlsxWriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import openpyxl
import python_calamine
import xlsxwriter

with xlsxwriter.Workbook("stock.xlsx") as book:
    sheet = book.add_worksheet()
    sheet.write_number("B2", 41)
    sheet.write_formula("C2", "=B2+1")
by_openpyxl = openpyxl.load_workbook("stock.xlsx", data_only=True).active["C2"].value
by_calamine = python_calamine.CalamineWorkbook.from_path("stock.xlsx").get_sheet_by_index(0).to_python()[-1][-1]
print("XlsxWriter 3.3.1, openpyxl 3.1.5, python-calamine 0.9.1")
print("expected: None and an empty text, or 42")
print(f"observed: {by_openpyxl!r} and {by_calamine!r}")
if (by_openpyxl, by_calamine) != (0, 0.0):
    raise SystemExit("changed")
PYTHON

#!/usr/bin/env bash
# Three readers of one OpenDocument spreadsheet disagree on its durations:
#
# - pyexcel-ods3 0.6.1 (Python) reads -PT00H15M00S and PT15M as empty cells, without an error,
# - pandas 3.1.1 with odfpy 1.4.1 reads no cell of the sheet, because 36:00 is no time of day,
# - python-calamine 0.9.1 reads 00:15 as a time of day, and the three others as texts, such as
#   "PT36H00M00S".
#
# In OpenDocument 1.3, part 3, office:time-value is a `duration` of XML Schema, which may have a
# sign and any number of hours, and needs no part that is zero. One would guess that each is read
# as a timedelta, or is an error.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pyexcel-ods3==0.6.1' 'pandas==3.1.1' 'odfpy==1.4.1' \
    'python-calamine==0.9.1'
cat > check.py <<'PYTHON'
from datetime import time, timedelta

import pandas
import pyexcel_ods3
import python_calamine
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

DURATIONS = {
    "PT00H15M00S": "00:15",
    "PT36H00M00S": "36:00",
    "-PT00H15M00S": "-00:15",
    "PT15M": "00:15",
}
document = OpenDocumentSpreadsheet()
table = Table(name="Tasks")
for duration, shown in DURATIONS.items():
    row = TableRow()
    cells = {"valuetype": "string"}, {"valuetype": "time", "timevalue": duration}, {"valuetype": "string"}
    for cell, text in zip(cells, (duration, shown, "Rent")):
        cell = TableCell(**cell)
        cell.addElement(P(text=text))
        row.addElement(cell)
    table.addElement(row)
document.spreadsheet.addElement(table)
document.save("tasks.ods")

rows = pyexcel_ods3.get_data("tasks.ods")["Tasks"]
of_pyexcel = {first: rest for first, *rest in rows}
sheet = python_calamine.CalamineWorkbook.from_path("tasks.ods").get_sheet_by_index(0)
of_calamine = {first: rest for first, *rest in sheet.to_python()}
try:
    of_pandas = str(pandas.read_excel("tasks.ods", engine="odf", header=None))
except ValueError as error:
    of_pandas = str(error)
print("pandas:", of_pandas)
for duration in DURATIONS:
    print(f"{duration}: pyexcel-ods3 {of_pyexcel[duration]}, calamine {of_calamine[duration]}")
assert of_pandas.startswith("hour must be in 0..23: 36:00"), "this has changed"
quarter = time(0, 15)
assert of_pyexcel == {
    "PT00H15M00S": [quarter, "Rent"],
    "PT36H00M00S": [timedelta(hours=36), "Rent"],
    "-PT00H15M00S": [None, "Rent"],
    "PT15M": [None, "Rent"],
}, "this has changed"
assert of_calamine == {
    "PT00H15M00S": [quarter, "Rent"],
    "PT36H00M00S": ["PT36H00M00S", "Rent"],
    "-PT00H15M00S": ["-PT00H15M00S", "Rent"],
    "PT15M": ["PT15M", "Rent"],
}, "this has changed"
PYTHON
venv/bin/python check.py

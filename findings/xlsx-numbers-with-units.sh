#!/usr/bin/env bash
# Three readers of workbooks take a number whose format has a unit for a time. Of the number 3,
#
# - xlsx2csv 0.8.6 (Python) writes the text 0" 02ays" if its format is 0" days", which SheetJS shows
#   as "3 days", and 0"12" instead of "3h", 0"h"; the number is gone,
# - pylightxl 1.61 (Python) reads 1900/01/02 00:00:00 and 00:00:00,
# - ExcelJS 4.4.0 (npm) does so if the unit has a backslash instead of quotes: 0\h and 0\ \d are the
#   instant 1900-01-02.
#
# openpyxl 3.1.5, python-calamine 0.9.1 and SheetJS (npm xlsx 0.18.5) read 3.
#
# ECMA-376, part 1, section 18.8.31, has text in quotes, or one character behind a backslash,
# displayed as it is. One would guess that such letters are no parts of a date.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'openpyxl==3.1.5' 'python-calamine==0.9.1' 'pylightxl==1.61' \
    'xlsx2csv==0.8.6' 'XlsxWriter==3.3.1'
npm install --silent --no-audit --no-fund exceljs@4.4.0 xlsx@0.18.5 > /dev/null
cat > read.mjs <<'JAVASCRIPT'
import ExcelJS from "exceljs";
import SheetJS from "xlsx";

const book = new ExcelJS.Workbook();
await book.xlsx.readFile("tasks.xlsx");
const other = SheetJS.readFile("tasks.xlsx", { cellDates: true }).Sheets.tasks;
const rows = [1, 2, 3, 4, 5].map((row) => [
  book.worksheets[0].getCell(`A${row}`).value, other[`A${row}`].v, other[`A${row}`].w,
]);
console.log(JSON.stringify(rows));
JAVASCRIPT
cat > check.py <<'PYTHON'
import csv
import json
import subprocess

import openpyxl
import pylightxl
import xlsxwriter
from python_calamine import CalamineWorkbook

FORMATS = ['0" days"', '0"h"', r"0\h", r"0\ \d", '0;-0;"done"']
with xlsxwriter.Workbook("tasks.xlsx") as book:
    sheet = book.add_worksheet("tasks")
    for row, form in enumerate(FORMATS):
        sheet.write_number(row, 0, 3, book.add_format({"num_format": form}))

text = subprocess.check_output(["venv/bin/xlsx2csv", "tasks.xlsx"], text=True)
light = pylightxl.readxl("tasks.xlsx").ws("tasks")
seen = {"exceljs": [], "sheetjs": [], "shown": []}
for values in json.loads(subprocess.check_output(["node", "read.mjs"])):
    for name, value in zip(seen, values):
        seen[name].append(value)
seen |= {
    "xlsx2csv": [row[0] for row in csv.reader(text.splitlines())],
    "pylightxl": [light.index(row, 1) for row in range(1, 6)],
    "openpyxl": [row[0].value for row in openpyxl.load_workbook("tasks.xlsx")["tasks"]],
    "calamine": [row[0] for row in CalamineWorkbook.from_path("tasks.xlsx")
                 .get_sheet_by_name("tasks").to_python()],
}
print("formats:", FORMATS)
for name, values in seen.items():
    print(f"{name}:", values)
day = "1900-01-02T00:00:00.000Z"
assert seen == {
    "exceljs": [3, 3, day, day, 3],
    "sheetjs": [3] * 5,
    "shown": ["3 days", "3h", "3h", "3 d", "3"],
    "xlsx2csv": ['0" 02ays"', '0"12"', "012", "0 02", '0;-0;"02one"'],
    "pylightxl": ["1900/01/02 00:00:00", "00:00:00", "00:00:00", "1900/01/02", 3],
    "openpyxl": [3] * 5,
    "calamine": [3] * 5,
}, "this has changed"
PYTHON
venv/bin/python check.py

#!/usr/bin/env bash
# ExcelJS 4.4.0 (npm) writes a day as the day before, where clocks are ahead of UTC: in Berlin
# new Date(2026, 11, 1), which JavaScript shows there as 1 December, is 30 November, 23:00, in the
# workbook, as openpyxl 3.1.5 reads it. ExcelJS itself reads it back as it was. SheetJS (npm xlsx
# 0.18.5) writes 1 December of the same Date. A duration of 36 hours, [h]:mm, ExcelJS reads as
# the instant 1899-12-31, 12:00 UTC; for openpyxl it is a timedelta.
#
# A cell has no zone, but the number of days since the end of 1899 (ECMA-376, part 1, section
# 18.17.4). One would guess that the day which goes in is the day that is shown.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'openpyxl==3.1.5'
npm install --silent --no-audit --no-fund exceljs@4.4.0 xlsx@0.18.5 > /dev/null
cat > write.mjs <<'JAVASCRIPT'
import ExcelJS from "exceljs";
import SheetJS from "xlsx";

const day = new Date(2026, 11, 1);
const book = new ExcelJS.Workbook();
const sheet = book.addWorksheet("tasks");
sheet.addRow([day, 1.5]);
sheet.getCell("A1").numFmt = "yyyy-mm-dd";
sheet.getCell("B1").numFmt = "[h]:mm";
await book.xlsx.writeFile("exceljs.xlsx");
const other = SheetJS.utils.book_new();
const rows = SheetJS.utils.aoa_to_sheet([[day]], { dateNF: "yyyy-mm-dd" });
SheetJS.utils.book_append_sheet(other, rows);
SheetJS.writeFile(other, "sheetjs.xlsx");
const again = new ExcelJS.Workbook();
await again.xlsx.readFile("exceljs.xlsx");
const cells = ["A1", "B1"].map((name) => again.worksheets[0].getCell(name).value);
console.log(JSON.stringify([cells[0].toLocaleDateString("sv"), cells[1].toISOString()]));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
import sys
from datetime import timedelta

from openpyxl import load_workbook

known = {  # what openpyxl reads of ExcelJS' cell, and of SheetJS' one
    "UTC": ("2026-12-01 00:00:00", "2026-12-01"),
    "Europe/Berlin": ("2026-11-30 23:00:00", "2026-12-01"),
    "Asia/Tokyo": ("2026-11-30 15:00:00", "2026-12-01"),
    "America/New_York": ("2026-12-01 05:00:00", "2026-12-01"),
}
zone = sys.argv[1]
again, duration = json.loads(subprocess.check_output(["node", "write.mjs"]))
[day, hours], = load_workbook("exceljs.xlsx").worksheets[0].iter_rows(values_only=True)
[other], = load_workbook("sheetjs.xlsx").worksheets[0].iter_rows(values_only=True)
print(f"{zone}: 2026-12-01 by ExcelJS is {day}, by SheetJS {other}; ExcelJS reads {again}")
print(f"  and the duration {hours} as {duration}")
assert (f"{day}", f"{other:%Y-%m-%d}") == known[zone], "this has changed"
assert again == "2026-12-01" and hours == timedelta(hours=36), "this has changed"
assert duration == "1899-12-31T12:00:00.000Z", "this has changed"
PYTHON
for zone in UTC Europe/Berlin Asia/Tokyo America/New_York; do
    TZ=$zone venv/bin/python check.py "$zone"
done

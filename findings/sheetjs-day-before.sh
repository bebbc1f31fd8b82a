#!/usr/bin/env bash
# SheetJS (npm xlsx 0.18.5) reads a day of a workbook, 1 December 2026, as 23:59:17 of 30
# November on a machine in Shanghai, and as 23:59:50 in Kolkata, with `cellDates: true`; noon
# is as many seconds early. In UTC, Berlin and New York it is right. The number in the file
# is 46357, without a fraction; ExcelJS 4.4.0 reads the right day everywhere.
#
# The number of a day is the days since the end of 1899 (ECMA-376, part 1, section 18.17.4),
# when clocks in Shanghai were 8:05:43 ahead of UTC. One would guess that the seconds of
# that time, which JavaScript's getTimezoneOffset() leaves out, play no part in 2026.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund xlsx@0.18.5 exceljs@4.4.0 > /dev/null
python3 -m venv venv
venv/bin/pip install --quiet 'XlsxWriter==3.3.1'
venv/bin/python - <<'PYTHON'
from datetime import datetime

import xlsxwriter

book = xlsxwriter.Workbook("days.xlsx")
style = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
sheet = book.add_worksheet()
sheet.write_datetime("A1", datetime(2026, 12, 1), style)
sheet.write_datetime("A2", datetime(2026, 12, 1, 12), style)
book.close()
PYTHON
unzip -p days.xlsx xl/worksheets/sheet1.xml | grep -o '<v>[^<]*'
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import ExcelJS from "exceljs";
import XLSX from "xlsx";

const known = {
  UTC: ["2026-12-01 00:00:00", "2026-12-01 12:00:00"],
  "Europe/Berlin": ["2026-12-01 00:00:00", "2026-12-01 12:00:00"],
  "America/New_York": ["2026-12-01 00:00:00", "2026-12-01 12:00:00"],
  "Asia/Shanghai": ["2026-11-30 23:59:17", "2026-12-01 11:59:17"],
  "Asia/Kolkata": ["2026-11-30 23:59:50", "2026-12-01 11:59:50"],
};
const { Sheet1 } = XLSX.readFile("days.xlsx", { cellDates: true }).Sheets;
// SheetJS has the time as clocks of the machine show it, ExcelJS as those of UTC do.
const seen = [Sheet1.A1, Sheet1.A2].map(({ v }) => v.toLocaleString("sv-SE"));
const book = new ExcelJS.Workbook();
await book.xlsx.readFile("days.xlsx");
const other = ["A1", "A2"].map((cell) => book.worksheets[0].getCell(cell).value.toISOString());
console.log(`${process.env.TZ}: SheetJS ${seen.join(", ")}; ExcelJS ${other.join(", ")}`);
assert.deepStrictEqual(seen, known[process.env.TZ], "this has changed");
assert.deepStrictEqual(other, ["2026-12-01T00:00:00.000Z", "2026-12-01T12:00:00.000Z"]);
JAVASCRIPT
for zone in UTC Europe/Berlin America/New_York Asia/Shanghai Asia/Kolkata; do
    TZ=$zone node check.mjs
done

#!/usr/bin/env bash
# XlsxWriter 3.3.1 (Python) writes the day 1 January 1900 as 1 if it is a date, and as 0 if
# it is a datetime at midnight; noon of that day is 0.5. openpyxl 3.1.5 reads these two as
# the times 00:00 and 12:00, without a day. Every later day is the same both ways.
#
# In the 1900 system of workbooks the serial number of that day is 1. One would guess that
# midnight is 1, too, and noon 1.5.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'XlsxWriter==3.3.1' 'openpyxl==3.1.5'
"$place/venv/bin/python" - <<'PYTHON'
import io
import re
import sys
import zipfile
from datetime import date, datetime, time

import openpyxl
import xlsxwriter

days = [
    date(1900, 1, 1), datetime(1900, 1, 1), datetime(1900, 1, 1, 12),
    date(1900, 1, 2), datetime(1900, 1, 2),
]
file = io.BytesIO()
book = xlsxwriter.Workbook(file, {"in_memory": True})
sheet, style = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
for row, day in enumerate(days):
    sheet.write_datetime(row, 0, day, style)
book.close()
cells = zipfile.ZipFile(file).read("xl/worksheets/sheet1.xml").decode()
numbers = re.findall(r"<v>([^<]*)</v>", cells)
read = [cell.value for (cell,) in openpyxl.load_workbook(file).active.iter_rows()]
print("XlsxWriter", xlsxwriter.__version__, "openpyxl", openpyxl.__version__)
for day, number, back in zip(days, numbers, read):
    print(f"{day!r} is written as {number} and read as {back!r}")
sys.exit(not (numbers == ["1", "0", "0.5", "2", "2"] and read[1:3] == [time(0), time(12)]))
PYTHON

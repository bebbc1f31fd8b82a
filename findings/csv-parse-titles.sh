#!/usr/bin/env bash
# csv-parse 7.0.3 (npm) with `cast_date` makes dates of titles: "Room 12" is 1 December 2001,
# "Chapter 3" 1 March 2001, "Call 1999" 1 January 1999, "Pay rent May 5" 5 May 2001, and the titles
# are gone. One day is two instants by its notation: in New York 2026-12-01 is the evening of 30
# November, 2026/12/01 the midnight of 1 December. Papa Parse 5.7.1 with `dynamicTyping`, and
# autoType of d3-dsv 3.0.1, keep such titles.
#
# By its types the option attempts to convert text to dates and relies on Date.parse(), whose result
# ECMA-262, section 21.4.3.2, leaves to the engine for texts that are not in its format. One would
# guess that a cell with words in it is no date.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund csv-parse@7.0.3 papaparse@5.7.1 d3-dsv@3.0.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { parse } from "csv-parse/sync";
import { autoType, csvParse } from "d3-dsv";
import Papa from "papaparse";

const titles = ["Room 12", "Chapter 3", "Call 1999", "Pay rent May 5", "Buy milk"];
const text = ["title", ...titles].join("\n");
const rows = parse(text, { columns: true, cast: true, cast_date: true });
const local = (date) => (date instanceof Date ? date.toLocaleString("sv") : date);
const seen = rows.map((row) => local(row.title));
console.log(process.env.TZ, Object.fromEntries(titles.map((title, i) => [title, seen[i]])));
const midnight = (day) => `${day} 00:00:00`;
assert.deepStrictEqual(seen, [
  ...["2001-12-01", "2001-03-01", "1999-01-01", "2001-05-05"].map(midnight), "Buy milk",
], "this has changed");

const [days] = parse("2026-12-01,2026/12/01", { cast: true, cast_date: true });
console.log("  2026-12-01 and 2026/12/01:", days.map(local));
const first = process.env.TZ === "America/New_York" ? "2026-11-30 19:00:00" : "2026-12-01 01:00:00";
assert.deepStrictEqual(days.map(local), [first, midnight("2026-12-01")], "this has changed");

const options = { header: true, dynamicTyping: true };
for (const others of [Papa.parse(text, options).data, csvParse(text, autoType)]) {
  assert.deepStrictEqual(others.map((row) => row.title), titles, "this has changed");
}
JAVASCRIPT
for zone in America/New_York Europe/Berlin; do TZ=$zone node check.mjs; done

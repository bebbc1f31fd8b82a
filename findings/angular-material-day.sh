#!/usr/bin/env bash
# The date picker of Angular Material 22.2.0 (npm) moves a day by its NativeDateAdapter: the text
# 2026-12-01 is 30 November in New York, which the calendar then shows as selected, and 1 December,
# chosen in Berlin, is 2026-11-30 by toIso8601(). With its LuxonDateAdapter it is 1 December in both
# places, both ways.
#
# Both methods are documented for texts of RFC 3339, and toIso8601() for `min` and `max` of an
# <input>; section 5.6 has such a text as full-date, without a time. One would guess that the day
# which is read is the day that is shown, and that adapters, which can be exchanged, agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps \
    @angular/material@22.2.0 @angular/cdk@22.2.7 @angular/core@22.2.6 @angular/common@22.2.6 \
    @angular/forms@22.2.6 @angular/platform-browser@22.2.6 @angular/compiler@22.2.6 \
    @angular/material-luxon-adapter@22.2.0 luxon@3.7.2 rxjs@7.8.2 > log 2>&1
cat > check.mjs <<'JAVASCRIPT'
import "@angular/compiler";
import assert from "node:assert";
import { Injector, runInInjectionContext } from "@angular/core";
import { MAT_DATE_LOCALE, NativeDateAdapter } from "@angular/material/core";
import { LuxonDateAdapter } from "@angular/material-luxon-adapter";

const injector = Injector.create({ providers: [{ provide: MAT_DATE_LOCALE, useValue: "en-GB" }] });
const seen = [NativeDateAdapter, LuxonDateAdapter].map((Adapter) => {
  const adapter = runInInjectionContext(injector, () => new Adapter());
  const read = adapter.deserialize("2026-12-01");
  const chosen = adapter.createDate(2026, 11, 1);
  const month = adapter.getMonthNames("long")[adapter.getMonth(read)];
  return [
    Adapter.name, `${adapter.getDate(read)} ${month}`, adapter.toIso8601(chosen).slice(0, 10),
  ];
});
for (const [name, read, sent] of seen) {
  console.log(`${process.env.TZ}, ${name}: 2026-12-01 is ${read}, 1 December is ${sent}`);
}
const known = {
  "Etc/UTC": ["1 December", "2026-12-01"],
  "America/New_York": ["30 November", "2026-12-01"],
  "Europe/Berlin": ["1 December", "2026-11-30"],
};
assert.deepStrictEqual(seen.map(([, ...days]) => days), [
  known[process.env.TZ], ["1 December", "2026-12-01"],
], "this has changed");
JAVASCRIPT
for zone in Etc/UTC America/New_York Europe/Berlin; do TZ=$zone node check.mjs; done

#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm) reads a histogram with labels as one without: of
# all the series, one for each route of a service for example, it keeps the buckets of the last
# one, under no label, and of none the sum and the count. It is the same with a summary. Without
# labels, and for counters and gauges with labels, all is there. prometheus_client 0.23.1
# (Python) reads all of them.
#
# In Prometheus' text format "each line must have a unique combination of a metric name and
# labels", and a histogram's lines have `le` beside its other labels. One would guess that each
# combination is a histogram of its own, as with counters.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'prometheus_client==0.23.1'
npm install --silent --no-audit --no-fund parse-prometheus-text-format@1.1.1 > /dev/null
cat > metrics.txt <<'TEXT'
# HELP answers Answers.
# TYPE answers counter
answers{route="/tasks"} 8
answers{route="/lists"} 2
# HELP seconds Time of answers.
# TYPE seconds histogram
seconds_bucket{route="/tasks",le="0.1"} 7
seconds_bucket{route="/tasks",le="+Inf"} 8
seconds_sum{route="/tasks"} 0.9
seconds_count{route="/tasks"} 8
seconds_bucket{route="/lists",le="0.1"} 1
seconds_bucket{route="/lists",le="+Inf"} 2
seconds_sum{route="/lists"} 0.4
seconds_count{route="/lists"} 2
# HELP bytes Size of answers.
# TYPE bytes summary
bytes{route="/tasks",quantile="0.5"} 300
bytes_sum{route="/tasks"} 2900
bytes_count{route="/tasks"} 8
bytes{route="/lists",quantile="0.5"} 100
bytes_sum{route="/lists"} 210
bytes_count{route="/lists"} 2
TEXT
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import fs from "node:fs";
import parse from "parse-prometheus-text-format";

const seen = parse(fs.readFileSync("metrics.txt", "utf8"));
for (const { name, metrics } of seen) console.log(`${name}: ${JSON.stringify(metrics)}`);
assert.deepStrictEqual(JSON.parse(JSON.stringify(seen.map((family) => family.metrics))), [
  [
    { value: "8", labels: { route: "/tasks" } },
    { value: "2", labels: { route: "/lists" } },
  ],
  [{ buckets: { 0.1: "1", "+Inf": "2" } }],
  [{ quantiles: { 0.5: "100" } }],
], "this has changed");
JAVASCRIPT
cat > check.py <<'PYTHON'
from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(open("metrics.txt").read()))
for family in families:
    routes = sorted({sample.labels["route"] for sample in family.samples})
    print(f"prometheus_client reads {len(family.samples)} values of {family.name}, of {routes}")
assert [len(family.samples) for family in families] == [2, 8, 6], "this has changed"
PYTHON
node check.mjs
venv/bin/python check.py

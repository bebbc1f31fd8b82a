#!/usr/bin/env bash
# requests 2.34.2 and httpx 0.28.1 (Python) cut the URL of a Link header at a semicolon: the
# next page of /tasks?tag=home;garden&cursor=42 is /tasks?tag=home for them, without the
# cursor, which is the first page again. A comma and a "<" in a title end the link, and make
# a second one of the title; "next" with a second relation beside it is not found. npm's
# parse-link-header 2.0.0 loses the rest of such a title, and `REL=next`; http-link-header
# 1.1.4 reads all of them.
#
# RFC 3986 has ";" and "," among the characters of a query as they are, and RFC 8288,
# sections 3 and 3.3, puts the URL in <>, texts in quotes, several relations in one `rel`, and
# ignores the case of names. One would guess that a URL ends with its ">".
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'requests==2.34.2' 'httpx==0.28.1'
npm install --silent --no-audit --no-fund parse-link-header@2.0.0 http-link-header@1.1.4 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import LinkHeader from "http-link-header";
import parse from "parse-link-header";

console.log(JSON.stringify(process.argv.slice(2).map((header) => {
  const next = parse(header)?.next;
  const [other] = LinkHeader.parse(header).rel("next");
  return [[next?.url ?? null, next?.title ?? null], [other?.uri ?? null, other?.title ?? null]];
})));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess

import httpx
import requests

PAGE = "https://api.example.org/tasks?cursor=42"
LISTED = "https://api.example.org/tasks?tag=home;garden&cursor=42"
CUT = "https://api.example.org/tasks?tag=home"
known = {  # as requests and httpx read it, parse-link-header, http-link-header
    f'<{PAGE}>; rel="next"': ((PAGE, None), (PAGE, None), (PAGE, None)),
    f'<{LISTED}>; rel="next"': ((CUT, None), (LISTED, None), (LISTED, None)),
    f'<{PAGE}>; rel="next"; title="Home, <b>"': (
        (PAGE, "Home"), (PAGE, "Home"), (PAGE, "Home, <b>")),
    f'<{PAGE}>; rel="next last"': ((None, None), (PAGE, None), (PAGE, None)),
    f"<{PAGE}>; REL=next": ((None, None), (None, None), (PAGE, None)),
}
node = ["node", "of_javascript.mjs", *known]
of_javascript = json.loads(subprocess.check_output(node))
for (header, expected), others in zip(known.items(), of_javascript):
    response = requests.Response()
    response.headers["Link"] = header
    read = []
    for links in (response.links, httpx.Response(200, headers={"Link": header}).links):
        link = links.get("next", {})
        read.append((link.get("url"), link.get("title")))
    read.extend(map(tuple, others))
    print(header)
    for name, seen in zip(("requests", "httpx", "parse-link-header", "http-link-header"), read):
        print(f"  {name}: next is {seen[0]}, title {seen[1]}")
    assert read == [expected[0], *expected], "this has changed"
PYTHON
venv/bin/python check.py

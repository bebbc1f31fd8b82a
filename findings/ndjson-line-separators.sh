#!/usr/bin/env bash
# ndjson 0.3.1 (Python) puts a comma in the place of U+2028, U+2029 and U+0085 in a text of
# JSON Lines, without an error: "one\u2028two" is read as "one,two". Two readers of lines,
# httpx 0.28.1 with iter_lines() and requests 2.34.2 with iter_lines(decode_unicode=True), end
# the line within the text, so that each half is no JSON. jsonlines 4.0.0, and requests without
# that option, read what was written.
#
# JSON Lines ends a line with "\n" alone, and RFC 8259, section 7, has only the quote, the
# backslash and what is below U+0020 escaped; orjson and json.dumps(ensure_ascii=False) write
# the three as they are. str.splitlines(), which the first three use, ends a line there. A
# server is read right by all of them if it escapes the three.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'requests==2.34.2' 'httpx==0.28.1' 'ndjson==0.3.1' 'jsonlines==4.0.0'
cat > check.py <<'PYTHON'
import io
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import jsonlines
import ndjson
import requests

TASKS = [{"title": "Rent"}, {"title": "one\u2028two"}, {"title": "one\u0085two"}]
FILE = "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in TASKS)


class Export(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/jsonl; charset=utf-8")
        self.end_headers()
        self.wfile.write(FILE.encode())

    def log_message(self, *_):
        pass


def of_httpx():
    with httpx.stream("GET", url) as response:
        return [json.loads(line) for line in response.iter_lines()]


def of_requests(decode_unicode):
    response = requests.get(url, stream=True)
    return [json.loads(line) for line in response.iter_lines(decode_unicode=decode_unicode)]


server = ThreadingHTTPServer(("127.0.0.1", 0), Export)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"
readers = {
    "httpx, iter_lines()": of_httpx,
    "requests, iter_lines(decode_unicode=True)": lambda: of_requests(True),
    "ndjson": lambda: ndjson.loads(FILE),
    "requests, iter_lines()": lambda: of_requests(False),
    "jsonlines": lambda: list(jsonlines.Reader(io.StringIO(FILE, newline="\n"))),
}
comma = [{"title": "Rent"}, {"title": "one,two"}, {"title": "one,two"}]
known = ["an error", "an error", comma, TASKS, TASKS]
for (name, read), expected in zip(readers.items(), known):
    try:
        seen = read()
    except json.JSONDecodeError:
        seen = "an error"
    print(f"{name}: {seen}")
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py

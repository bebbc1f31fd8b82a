#!/usr/bin/env bash
# cheroot 11.1.2 (Python, the WSGI server of CherryPy) keeps of a repeated header the last line
# only, unless it is one of a list that it has: of "Prefer: return=minimal" and "Prefer: wait=10"
# the application gets wait=10, and it is the same with Forwarded and Baggage. If-None-Match and
# Accept, which are of the list, it joins. gunicorn 27.0.1, waitress 3.0.2 and wsgiref (of
# Python) join all of them.
#
# RFC 9110, section 5.3, has lines of one name joined by commas, and allows any sender to split
# them; RFC 7240, section 2, says so of Prefer: several fields are as one. One would guess that
# a server joins what it does not know.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'cheroot==11.1.2' 'gunicorn==27.0.1' 'waitress==3.0.2'
cat > application.py <<'PYTHON'
import json

NAMES = ("If-None-Match", "Accept", "Prefer", "Forwarded", "Baggage")


def app(environ, start_response):
    """Answers what it gets of each header."""
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in NAMES}
    body = json.dumps({name: environ.get(key) for name, key in keys.items()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
PYTHON
cat > check.py <<'PYTHON'
import json
import subprocess
import sys
import time
from http.client import HTTPConnection
from socket import socket

LINES = {
    "If-None-Match": ['"1"', '"2"'],
    "Accept": ["text/html", "application/json"],
    "Prefer": ["return=minimal", "wait=10"],
    "Forwarded": ["for=192.0.2.1", "for=192.0.2.2"],
    "Baggage": ["a=1", "b=2"],
}
servers = {
    "cheroot": ["venv/bin/cheroot", "--bind", "127.0.0.1:{port}", "application:app"],
    "gunicorn": ["venv/bin/gunicorn", "--bind", "127.0.0.1:{port}", "application:app"],
    "waitress": ["venv/bin/waitress-serve", "--listen", "127.0.0.1:{port}",
                 "--no-clear-untrusted-proxy-headers", "application:app"],
    "wsgiref": ["venv/bin/python", "-c", "from wsgiref.simple_server import make_server; "
                "from application import app; make_server('127.0.0.1', {port}, app).serve_forever()"],
}


def answer(command):
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.replace("{port}", str(port)) for word in command]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                connection = HTTPConnection("127.0.0.1", port, timeout=10)
                connection.putrequest("GET", "/", skip_accept_encoding=True)
                for name, values in LINES.items():
                    for value in values:
                        connection.putheader(name, value)
                connection.endheaders()
                return json.loads(connection.getresponse().read())
            except ConnectionRefusedError:
                time.sleep(0.1)
        sys.exit("the server does not start")
    finally:
        server.terminate()
        server.wait()


for name, command in servers.items():
    seen = answer(command)
    print(f"{name}: {seen}")
    for header, values in LINES.items():
        last_only = name == "cheroot" and header in ("Prefer", "Forwarded", "Baggage")
        expected = values[-1:] if last_only else values
        assert seen[header].replace(", ", ",").split(",") == expected, "this has changed"
PYTHON
PYTHONPATH=. venv/bin/python check.py

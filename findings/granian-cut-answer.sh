#!/usr/bin/env bash
# granian 2.8.7 (WSGI) ends a chunked answer in order when the application's iterator
# raises: the last chunk is sent, curl exits with 0, and half a file looks whole. With a
# Content-Length the connection breaks off, and curl exits with 18.
#
# One would guess that it closes the connection without the last chunk in both cases, as
# RFC 9112, section 8, says of an incomplete chunked message.
set -euo pipefail
place=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'granian==2.8.7'
cat > "$place/app.py" <<'PYTHON'
def body():
    yield b"half of it\n"
    raise RuntimeError("the database is gone")


def application(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/length":
        headers.append(("Content-Length", "22"))
    start_response("200 OK", headers)
    return body()
PYTHON
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$place"
"$place/venv/bin/granian" --interface wsgi --host 127.0.0.1 --port "$port" app:application \
    > "$place/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    curl -s -o /dev/null "http://127.0.0.1:$port/chunked" && break
    sleep 0.1
done
chunked=0
length=0
curl -s -o /dev/null "http://127.0.0.1:$port/chunked" || chunked=$?
curl -s -o /dev/null "http://127.0.0.1:$port/length" || length=$?
"$place/venv/bin/granian" --version
echo "chunked: curl exits with $chunked; with a Content-Length: $length"
grep -c 'the database is gone' "$place/log"
[ "$chunked" = 0 ] && [ "$length" = 18 ]

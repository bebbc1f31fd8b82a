#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12) does not notice that a client has hung up while its request waits in
# the queue of a backend, if `option abortonclose` stands in the backend only: the request is
# passed on to the server. In `defaults`, which the frontend has too, the same option works.
#
# The manual of 2.6 allows the option in a backend, whose queue it is about. One would guess
# that it works there, or that haproxy warns; the configuration passes its check in silence.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get download --quiet=2 'haproxy=2.6.12-1+deb12u4' 'liblua5.3-0=5.3.6-2' > log
for package in *.deb; do dpkg-deb --extract "$package" .; done
cat > try.py <<'PYTHON'
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    {defaults}

frontend clients
    bind 127.0.0.1:{port}
    option http-buffer-request
    default_backend servers

backend servers
    timeout queue 20s
    {backend}
    server one 127.0.0.1:{behind} maxconn 1
"""
OPTION = "option abortonclose"


def passed_on(**places):
    """The paths that the server gets, where the client of /gone hangs up in the queue."""
    paths, release = [], Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            paths.append(self.path)
            if self.path == "/slow":
                release.wait(20)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    behind = server.server_address[1]
    text = {"defaults": "", "backend": ""} | places
    Path("haproxy.cfg").write_text(CONFIGURATION.format(port=port, behind=behind, **text))
    checked = subprocess.run(
        [sys.argv[1], "-c", "-f", "haproxy.cfg"], capture_output=True, text=True, check=True
    )
    assert "WARNING" not in checked.stderr.upper(), checked.stderr
    proxy = subprocess.Popen([sys.argv[1], "-db", "-f", "haproxy.cfg"])

    def send(path):
        for _ in range(100):
            try:
                client = socket.create_connection(("127.0.0.1", port), 20)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        request = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"
        client.sendall(request.encode())
        return client

    try:
        slow = send("/slow")
        while not paths:
            time.sleep(0.05)
        gone = send("/gone")
        time.sleep(1)  # it waits in the queue
        gone.close()
        time.sleep(1)  # haproxy is told
        release.set()
        assert slow.recv(100)
        last = send("/last")
        assert last.recv(100)
    finally:
        proxy.terminate()
        proxy.wait()
        server.shutdown()
    return paths


print("in the backend: ", *(backend := passed_on(backend=OPTION)))
print("in defaults:    ", *(defaults := passed_on(defaults=OPTION)))
assert backend == ["/slow", "/gone", "/last"], "it notices now: this has changed"
assert defaults == ["/slow", "/last"], "it does not notice: this has changed"
PYTHON
export LD_LIBRARY_PATH="$place/usr/lib/$(uname -m)-linux-gnu"
./usr/sbin/haproxy -v | head -1
python3 try.py ./usr/sbin/haproxy

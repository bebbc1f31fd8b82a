#!/usr/bin/env bash
# Four HTTP caches go on handing out what they have stored of a URL after they have sent a
# PATCH, PUT, DELETE or POST to it themselves, with success: requests-cache 1.3.3
# (cache_control=True), hishel 2.0.0 and axios-cache-interceptor 1.12.3 after each of them,
# CacheControl 0.14.4 after POST. A program sees its own change when max-age is over.
# undici 7.30.2 and make-fetch-happen 15.0.6 ask the server again.
#
# RFC 9111, section 4.4: "A cache MUST invalidate the target URI [...] when it receives a
# non-error status code in response to an unsafe request method". A server that is changed
# through such clients has to say no-cache, not a max-age.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'requests==2.34.2' 'requests-cache==1.3.3' 'CacheControl==0.14.4' \
    'hishel==2.0.0' 'httpx==0.28.1'
npm install --silent --no-audit --no-fund axios@1.21.1 axios-cache-interceptor@1.12.3 \
    undici@7.30.2 make-fetch-happen@15.0.6 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import axios from "axios";
import { setupCache } from "axios-cache-interceptor";
import fetcher from "make-fetch-happen";
import { Agent, cacheStores, interceptors, request } from "undici";

const [url, ...methods] = process.argv.slice(2);
const dispatcher = new Agent().compose(
  interceptors.cache({ store: new cacheStores.MemoryCacheStore() }));
const cached = setupCache(axios.create());
const fetch = fetcher.defaults({ cachePath: "npm-cache", retry: false });
const clients = {
  "axios-cache-interceptor 1.12.3": async (method) => (await cached({ url, method })).data.version,
  "undici 7.30.2": async (method) =>
    (await (await request(url, { method, dispatcher })).body.json()).version,
  "make-fetch-happen 15.0.6": async (method) => (await (await fetch(url, { method })).json()).version,
};
const seen = {};
for (const [name, send] of Object.entries(clients)) {
  seen[name] = [];
  for (const method of methods) {
    const before = await send("GET");
    const changed = await send(method);
    const after = await send("GET");
    if (after !== changed) seen[name].push(method);
  }
}
console.log(JSON.stringify(seen));
process.exit();
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cachecontrol
import requests
import requests_cache
from hishel.httpx import CacheClient

METHODS = ["PATCH", "PUT", "DELETE", "POST"]


class Task(BaseHTTPRequestHandler):
    """A task whose version is one more after each change."""

    protocol_version = "HTTP/1.1"
    version = 1

    def do_GET(self):
        body = json.dumps({"version": Task.version}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{Task.version}"')
        if self.command == "GET":
            self.send_header("Cache-Control", "max-age=60")
        self.end_headers()
        self.wfile.write(body)

    def change(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Task.version += 1
        self.do_GET()

    do_PATCH = do_PUT = do_DELETE = do_POST = change

    def log_message(self, *_):
        pass


def stale_after(client):
    """The methods after which the client gives the version before the change."""
    methods = []
    for method in METHODS:
        client.get(url)
        changed = client.request(method, url).json()
        if client.get(url).json() != changed:
            methods.append(method)
    return methods


server = ThreadingHTTPServer(("127.0.0.1", 0), Task)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/tasks/1"
seen = {
    "requests-cache 1.3.3": stale_after(
        requests_cache.CachedSession(backend="memory", cache_control=True)),
    "hishel 2.0.0": stale_after(CacheClient()),
    "CacheControl 0.14.4": stale_after(cachecontrol.CacheControl(requests.Session())),
}
seen |= json.loads(subprocess.check_output(["node", "of_javascript.mjs", url, *METHODS]))
for name, methods in seen.items():
    print(f"{name}: stale after {', '.join(methods) or 'none'}")
assert seen == {
    "requests-cache 1.3.3": METHODS,
    "hishel 2.0.0": METHODS,
    "CacheControl 0.14.4": ["POST"],
    "axios-cache-interceptor 1.12.3": METHODS,
    "undici 7.30.2": [],
    "make-fetch-happen 15.0.6": [],
}, "this has changed"
PYTHON
venv/bin/python check.py

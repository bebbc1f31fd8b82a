#!/usr/bin/env bash
# A stream of server-sent events breaks off within an event, behind its `id:` line. Two npm
# clients, @microsoft/fetch-event-source 2.0.1 and extended-eventsource 2.1.0, ask for the
# rest with this event's id as Last-Event-ID, although they have not handed it out: the
# server goes on behind it, and the event is lost. eventsource 4.1.1 asks with the id of the
# event before, and gets it.
#
# One would guess that all do as eventsource: by the HTML standard (9.2.6) the id is taken
# over when the event is dispatched, and an event without its blank line is discarded. A
# server loses less if it writes `id:` as the last line of its events.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund --ignore-scripts \
    @microsoft/fetch-event-source@2.0.1 extended-eventsource@2.1.0 eventsource@4.1.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import http from "node:http";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";
import { EventSource as Extended } from "extended-eventsource";

// What fetch-event-source wants of a browser.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
console.warn = console.error = () => {}; // extended-eventsource tells of each retry

const standard = (Class) => (url, take) => {
  const source = new Class(url);
  source.onmessage = (event) => take(event.data);
  return () => source.close();
};
const clients = {
  "eventsource 4.1.1": standard(EventSource),
  "extended-eventsource 2.1.0": standard(Extended),
  "fetch-event-source 2.0.1": (url, take) => {
    const abort = new AbortController();
    fetchEventSource(url, {
      signal: abort.signal,
      onmessage: (event) => take(event.data),
      onclose: () => { throw new Error("again"); },
      onerror: () => 50,
    });
    return () => abort.abort();
  },
};

/** The events that a client hands out, and its second Last-Event-ID. */
function tried(start) {
  return new Promise((resolve) => {
    const asked = [];
    const taken = [];
    let stop;
    const server = http.createServer((request, response) => {
      const last = request.headers["last-event-id"];
      asked.push(last);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      if (asked.length === 1) {
        response.end("retry: 50\nid: 1\ndata: one\n\nid: 2\ndata: tw");
        return;
      }
      if (last === "1") response.write("id: 2\ndata: two\n\n");
      response.write("id: 3\ndata: three\n\n");
    });
    server.listen(0, "127.0.0.1", () => {
      stop = start(`http://127.0.0.1:${server.address().port}/`, (data) => {
        taken.push(data);
        if (data !== "three") return;
        stop();
        server.closeAllConnections();
        server.close();
        resolve(`asks with ${asked[1]}, handed out: ${taken.join(", ")}`);
      });
    });
  });
}

const known = {
  "eventsource 4.1.1": "asks with 1, handed out: one, two, three",
  "extended-eventsource 2.1.0": "asks with 2, handed out: one, three",
  "fetch-event-source 2.0.1": "asks with 2, handed out: one, three",
};
let changed = false;
for (const [name, start] of Object.entries(clients)) {
  const seen = await tried(start);
  console.log(`${name}: ${seen}`);
  changed ||= seen !== known[name];
}
process.exit(changed ? 1 : 0);
JAVASCRIPT
node check.mjs

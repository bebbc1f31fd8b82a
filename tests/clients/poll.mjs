// The bytes of polls of the feed without changes over HTTP/2, as a page of another origin makes
// them: those of the first on a connection, and those of the next.
import http2 from "node:http2";

const session = http2.connect(process.env.SERVER);
await new Promise((resolve) => session.once("remoteSettings", resolve));

async function poll(after) {
  const before = session.socket.bytesRead;
  const stream = session.request({
    ":path": `/api/changes?after=${after}`,
    authorization: `Bearer ${process.env.TOKEN}`,
    origin: process.env.ORIGIN,
  });
  for await (const _ of stream);
  return session.socket.bytesRead - before;
}

console.log(JSON.stringify([await poll(process.env.CURSOR), await poll(process.env.CURSOR)]));
session.close();

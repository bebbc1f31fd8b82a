// The tour of the README with orval's fetch client.
import assert from "node:assert/strict";
import * as api from "../generated/orval/tasks";

// It has paths; a page would be served from the same origin, or set `baseUrl`.
const { fetch: original } = globalThis;
globalThis.fetch = (path, options) => original(new URL(String(path), process.env.SERVER), options);
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };

const created = await api.createTask({ title: "Buy oat milk" });
assert(created.status === 201);
const { id } = created.data;
const got = await api.getTask(id);
assert(got.status === 200);
assert.equal(got.data.title, "Buy oat milk");

const toggled = await api.toggleTask(id);
assert(toggled.status === 200);
assert.equal(toggled.data.completed, true);
const title = "Buy oat milk, two litres";
const patched = await api.updateTask(id, { title });
assert(patched.status === 200);
assert.equal(patched.data.title, title);

// @ts-expect-error An unknown member, which the service refuses too
const refused = await api.createTask({ titel: "Buy bread" });
assert(refused.status === 422);
assert(refused.data.code === "invalid");
const wrong = refused.data.errors!.find((error) => error.code === "unknown");
assert.equal(wrong!.suggestion, "title");

const completed = await api.listTasks({ completed: true, limit: 10 });
assert(completed.status === 200);
assert.deepEqual(completed.data.items.map((item) => item.id), [id]);

const me = await api.getMe({ headers });
assert(me.status === 200);
assert.equal(me.data.username, "anna");
const foreign = await api.getTask(id, {}, {}, { headers });
assert(foreign.status === 404);
assert.equal(foreign.data.code, "not_found");

const stale = await api.updateTask(id, { completed: true }, {}, { "If-Match": '"1"' });
assert(stale.status === 412);
assert(stale.data.code === "stale_version");
assert.equal(stale.data.current.title, title);
assert.deepEqual([...stale.data.changed!].sort(), ["completed", "title"]);

const key = { "Idempotency-Key": "7f1b" };
const first = await api.createTask({ title: "Buy bread" }, {}, key);
const again = await api.createTask({ title: "Buy bread" }, {}, key);
assert(first.status === 201 && again.status === 201);
assert.equal(again.data.id, first.data.id);
assert.equal(again.headers.get("Idempotency-Replayed"), "true");

assert.equal((await api.deleteTask(id)).status, 204);
const gone = await api.getTask(id);
assert(gone.status === 410);
assert.equal(gone.data.restore, `/api/tasks/${id}/restore`);
assert.equal((await api.restoreTask(id)).status, 200);

const list = await api.createList({ name: "Shopping" });
assert(list.status === 201);
const oats = await api.createTask({
  title: "Buy oats", list: list.data.id, tags: ["errand"], priority: "high", due_date: "2026-12-31",
});
assert(oats.status === 201);
const found = await api.listTasks({
  completed: false, tag: ["errand"], q: "oat", sort: "due", priority: ["high", "urgent"],
});
assert(found.status === 200);
assert.deepEqual(found.data.items.map((item) => item.id), [oats.data.id]);
const counts = await api.countTasks();
assert(counts.status === 200);
assert.equal(counts.data.tags[0]!.tag, "errand");

const batch = await api.batchTasks({
  operations: [{ op: "create", body: { title: "Pay the rent" } }, { op: "complete", id }],
});
assert(batch.status === 200);
assert.deepEqual(batch.data.results.map((result) => result.status), [201, 200]);

const changes = await api.listChanges();
assert(changes.status === 200);
assert.equal(changes.data.items[0]!.verb, "created");
// Its function for the export would read the file as JSON.
const file = await fetch(api.getExportTasksUrl({ format: "csv" }));
assert.match(await file.text(), /Buy oats/);
const calendar = await api.createCalendar();
assert(calendar.status === 201);
assert.match(calendar.data.url!, /\.ics$/);

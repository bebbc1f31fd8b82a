// The tour of the README with @hey-api/openapi-ts.
import assert from "node:assert/strict";
import * as api from "../generated/hey-api/sdk.gen";
import { client } from "../generated/hey-api/client.gen";

client.setConfig({ baseUrl: process.env.SERVER });
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };

const created = await api.createTask({ body: { title: "Buy oat milk" } });
assert.equal(created.response!.status, 201);
const id = created.data!.id;
const path = { task_id: id };
assert.equal((await api.getTask({ path })).data!.title, "Buy oat milk");

assert.equal((await api.toggleTask({ path })).data!.completed, true);
const title = "Buy oat milk, two litres";
assert.equal((await api.updateTask({ path, body: { title } })).data!.title, title);

// @ts-expect-error An unknown member, which the service refuses too
const refused = await api.createTask({ body: { titel: "Buy bread" } });
assert.equal(refused.response!.status, 422);
assert(refused.error?.code === "invalid");
const wrong = refused.error.errors!.find((error) => error.code === "unknown");
assert.equal(wrong!.suggestion, "title");

const completed = await api.listTasks({ query: { completed: true, limit: 10 } });
assert.deepEqual(completed.data!.items.map((item) => item.id), [id]);

assert.equal((await api.getMe({ headers })).data!.username, "anna");
assert.equal((await api.getTask({ path, headers })).error!.code, "not_found");

const stale = await api.updateTask({ path, headers: { "If-Match": '"1"' }, body: { completed: true } });
assert(stale.error?.code === "stale_version");
assert.equal(stale.error.current.title, title);
assert.deepEqual([...stale.error.changed!].sort(), ["completed", "title"]);

const bread = { headers: { "Idempotency-Key": "7f1b" }, body: { title: "Buy bread" } };
const first = await api.createTask(bread);
const again = await api.createTask(bread);
assert.equal(again.data!.id, first.data!.id);
assert.equal(again.response!.headers.get("Idempotency-Replayed"), "true");

assert.equal((await api.deleteTask({ path })).response!.status, 204);
const gone = await api.getTask({ path });
assert(gone.error?.code === "gone");
assert.equal(gone.error.restore, `/api/tasks/${id}/restore`);
assert.equal((await api.restoreTask({ path })).response!.status, 200);

const list = await api.createList({ body: { name: "Shopping" } });
assert.equal(list.response!.status, 201);
const oats = await api.createTask({
  body: { title: "Buy oats", list: list.data!.id, tags: ["errand"], priority: "high", due_date: "2026-12-31" },
});
const found = await api.listTasks({
  query: { completed: false, tag: ["errand"], q: "oat", sort: "due", priority: ["high", "urgent"] },
});
assert.deepEqual(found.data!.items.map((item) => item.id), [oats.data!.id]);
assert.equal((await api.countTasks()).data!.tags[0]!.tag, "errand");

const batch = await api.batchTasks({
  body: { operations: [{ op: "create", body: { title: "Pay the rent" } }, { op: "complete", id }] },
});
assert.deepEqual(batch.data!.results.map((result) => result.status), [201, 200]);

assert.equal((await api.listChanges()).data!.items[0]!.verb, "created");
const file = await api.exportTasks({ query: { format: "csv" }, parseAs: "text" });
assert.match(String(file.data), /Buy oats/);
assert.match((await api.createCalendar()).data!.url!, /\.ics$/);

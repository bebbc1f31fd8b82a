// The tour of the README with openapi-typescript and openapi-fetch.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "../generated/openapi-typescript";

const baseUrl = process.env.SERVER;
const guest = createClient<paths>({ baseUrl });
const anna = createClient<paths>({
  baseUrl,
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});

const created = await guest.POST("/api/tasks", { body: { title: "Buy oat milk" } });
assert.equal(created.response.status, 201);
const id = created.data!.id;
const path = { task_id: id };
assert.equal((await guest.GET("/api/tasks/{task_id}", { params: { path } })).data!.title, "Buy oat milk");

const toggled = await guest.POST("/api/tasks/{task_id}/toggle", { params: { path } });
assert.equal(toggled.data!.completed, true);
const title = "Buy oat milk, two litres";
const patched = await guest.PATCH("/api/tasks/{task_id}", { params: { path }, body: { title } });
assert.equal(patched.data!.title, title);

// @ts-expect-error An unknown member, which the service refuses too
const refused = await guest.POST("/api/tasks", { body: { titel: "Buy bread" } });
assert.equal(refused.response.status, 422);
assert(refused.error?.code === "invalid");
const wrong = refused.error.errors!.find((error) => error.code === "unknown");
assert.equal(wrong!.suggestion, "title");

const completed = await guest.GET("/api/tasks", { params: { query: { completed: true, limit: 10 } } });
assert.deepEqual(completed.data!.items.map((item) => item.id), [id]);

assert.equal((await anna.GET("/api/me")).data!.username, "anna");
const foreign = await anna.GET("/api/tasks/{task_id}", { params: { path } });
assert.equal(foreign.error!.code, "not_found");

const stale = await guest.PATCH("/api/tasks/{task_id}", {
  params: { path, header: { "If-Match": '"1"' } },
  body: { completed: true },
});
assert(stale.error?.code === "stale_version");
assert.equal(stale.error.current.title, title);
assert.deepEqual([...stale.error.changed!].sort(), ["completed", "title"]);

const header = { "Idempotency-Key": "7f1b" };
const bread = { params: { header }, body: { title: "Buy bread" } };
const first = await guest.POST("/api/tasks", bread);
const again = await guest.POST("/api/tasks", bread);
assert.equal(again.data!.id, first.data!.id);
assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");

assert.equal((await guest.DELETE("/api/tasks/{task_id}", { params: { path } })).response.status, 204);
const gone = await guest.GET("/api/tasks/{task_id}", { params: { path } });
assert(gone.error?.code === "gone");
assert.equal(gone.error.restore, `/api/tasks/${id}/restore`);
assert.equal((await guest.POST("/api/tasks/{task_id}/restore", { params: { path } })).response.status, 200);

const list = await guest.POST("/api/lists", { body: { name: "Shopping" } });
assert.equal(list.response.status, 201);
const oats = await guest.POST("/api/tasks", {
  body: { title: "Buy oats", list: list.data!.id, tags: ["errand"], priority: "high", due_date: "2026-12-31" },
});
assert.equal(oats.data!.priority, "high");
const found = await guest.GET("/api/tasks", {
  params: { query: { completed: false, tag: ["errand"], q: "oat", sort: "due", priority: ["high", "urgent"] } },
});
assert.deepEqual(found.data!.items.map((item) => item.id), [oats.data!.id]);
assert.equal((await guest.GET("/api/tasks/counts")).data!.tags[0]!.tag, "errand");

const batch = await guest.POST("/api/tasks/batch", {
  body: { operations: [{ op: "create", body: { title: "Pay the rent" } }, { op: "complete", id }] },
});
assert.deepEqual(batch.data!.results.map((result) => result.status), [201, 200]);

const changes = await guest.GET("/api/changes");
assert.equal(changes.data!.items[0]!.verb, "created");
const file = await guest.GET("/api/tasks/export", { params: { query: { format: "csv" } }, parseAs: "text" });
assert.match(file.data!, /Buy oats/);
assert.match((await guest.POST("/api/calendar")).data!.url!, /\.ics$/);

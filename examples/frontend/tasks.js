// The tasks that are shown: what the service has sent, with the changes made here on top.
import { Problem, Unreachable, request } from "./api.js";
import { PUSH } from "./config.js";

const PAGE = 30; // tasks
const POLL = 3_000; // milliseconds
const POLL_BESIDE_HINTS = 60_000; // a stream may have ended unnoticed
const RETRY = 2_000;

// Tells the page of a change: "change", "online", "offline", "refused", "signed-out".
export const events = new EventTarget();
const tell = (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail }));

let tasks = new Map(); // by id, as the service has them
let next = null; // the cursor of the next page; null after the last one
let cursor = null; // that of the feed
let outbox; // the name of this user's in localStorage
let stopped = true;

export async function start(user) {
  outbox = `outbox-${user.id}`;
  stopped = false;
  await reload();
  listen();
  follow();
  flush();
}

export function stop() {
  stopped = true;
  hints?.close();
  look();
  tasks = new Map();
}

async function reload() {
  // First the cursor of now, then the pages: no change falls between them.
  cursor = (await request("GET", "/api/changes?after=latest")).next_cursor;
  tasks = new Map();
  next = "";
  await loadMore();
}

// The next page, for infinite scroll. Returns whether there are more.
export async function loadMore() {
  if (next === null) return false;
  const page = await request("GET", `/api/tasks?limit=${PAGE}${next && `&cursor=${next}`}`);
  next = page.next_cursor;
  for (const task of page.items) keep(task);
  tell("change");
  return next !== null;
}

// Responses may come in another order than the changes were made.
function keep(task) {
  if (!(tasks.get(task.id)?.version > task.version)) tasks.set(task.id, task);
}

// ---- What is shown

// Newest first: those not sent yet, then the others, each with the changes not sent yet.
export function shown() {
  const waiting = changes();
  const known = [...tasks.values()].sort((a, b) => b.id - a.id);
  const stored = new Set(known.map((task) => task.client_id));
  const created = waiting
    .filter((change) => change.kind === "create" && !stored.has(change.client_id))
    .map((change) => ({ client_id: change.client_id, version: 1, completed: false, ...change.body }))
    .reverse();
  return [...created, ...known].map((task) =>
    waiting
      .filter((change) => change.kind !== "create" && isOf(change, task))
      .reduce((seen, change) => ({ ...seen, ...change.body, waiting: true }), {
        ...task,
        waiting: !task.id,
      }),
  );
}

const isOf = (change, task) =>
  change.id ? change.id === task.id : change.client_id === task.client_id;

// ---- Changes made here. They are stored first, then sent, in their order. Each has a key
// of its own: sent again, or by two tabs at once, it is applied once.

const changes = () => JSON.parse(localStorage.getItem(outbox) ?? "[]");

function store(list) {
  localStorage.setItem(outbox, JSON.stringify(list));
  tell("change");
}

function add(change) {
  store([...changes(), { ...change, key: crypto.randomUUID() }]);
  flush();
}

const drop = (key) => store(changes().filter((change) => change.key !== key));
const replace = (key, change) =>
  store(changes().map((other) => (other.key === key ? { ...change, key: crypto.randomUUID() } : other)));

// The id of a task is known when the service has it. Until then, its client_id stands for it.
const name = ({ id, client_id }) => (id ? { id } : { client_id });

export const create = (title) =>
  add({ kind: "create", client_id: crypto.randomUUID(), body: { title } });

// Not a toggle: what was meant stays the same if somebody else was quicker.
export const setCompleted = (task, completed) =>
  add({ kind: completed ? "complete" : "reopen", ...name(task), version: task.version, body: { completed } });

// `task` is what the person saw: with its version, no change of others is overwritten.
export const rename = (task, title) =>
  add({ kind: "edit", ...name(task), version: task.version, body: { title } });

let flushing = false;

// Sends what waits. Called again by the events that can help, and by a timer.
export async function flush() {
  if (flushing || stopped) return;
  flushing = true;
  let wait = 0;
  try {
    let change;
    while (!stopped && (change = changes().find((one) => !one.conflict))) {
      const task = await send(change);
      keep(task);
      tell("online");
      settle(change, task);
    }
  } catch (error) {
    wait = handle(error);
  } finally {
    flushing = false;
  }
  if (wait) setTimeout(flush, wait);
}

async function send(change) {
  const key = { "Idempotency-Key": change.key };
  try {
    if (change.kind === "create") {
      const body = { ...change.body, client_id: change.client_id };
      return await request("POST", "/api/tasks", body, key);
    }
    const id = change.id ?? (await idOf(change.client_id));
    if (change.kind !== "edit") return await request("POST", `/api/tasks/${id}/${change.kind}`, undefined, key);
    const body = { ...change.body, version: change.version };
    return await request("PATCH", `/api/tasks/${id}`, body, key);
  } catch (error) {
    error.change = change;
    throw error;
  }
}

async function idOf(clientId) {
  const known = [...tasks.values()].find((task) => task.client_id === clientId);
  if (known) return known.id;
  const { items } = await request("GET", `/api/tasks?client_id=${clientId}`);
  return items[0]?.id ?? 0; // 0: it has been deleted meanwhile
}

// The change is made. Those that wait and were made on top of it have seen its result.
function settle(sent, task) {
  const alone = task.version === sent.version + 1;
  store(
    changes()
      .filter((change) => change.key !== sent.key)
      .map((change) =>
        alone && isOf(change, task) && change.version === sent.version
          ? { ...change, version: task.version }
          : change,
      ),
  );
}

// What an error means for the change. Returns after how many milliseconds to try again.
function handle(error) {
  const { change } = error;
  if (error instanceof Unreachable) {
    tell("offline");
    return RETRY;
  }
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    tell("signed-out"); // what waits is sent after the next sign-in
    return 0;
  }
  if (error.retryAfter || error.status >= 500) return error.retryAfter * 1_000 || RETRY;
  if (error.code === "stale_version") {
    merge(change, error.body);
    return 1;
  }
  drop(change.key); // and what is shown is again what the service has
  tell("refused", error.message);
  return 1;
}

// Somebody else has changed the task. If they changed other members, both changes stand.
function merge(change, { current, changed }) {
  keep(current);
  const mine = Object.keys(change.body);
  const both = mine.filter(
    (member) => (changed ?? mine).includes(member) && current[member] !== change.body[member],
  );
  replace(change.key, { ...change, version: current.version, conflict: both.length > 0 && current });
}

// The changes that a person has to decide on.
export const conflicts = () => changes().filter((change) => change.conflict);

export function decide(change, keepMine) {
  if (keepMine) replace(change.key, { ...change, conflict: false });
  else drop(change.key);
  flush();
}

// ---- Changes made elsewhere

let hints; // the stream by which the service says that there are changes
let hinted = false;
let wake = () => {};

function look() {
  hinted = true;
  wake();
}

// The browser comes back by itself after an error of the network, and sends the id of the last
// hint. After a response with an error, such as 429 for too many tabs, it does not.
function listen() {
  if (stopped) return;
  hints = new EventSource(`${PUSH}/api/changes/stream`, { withCredentials: true });
  hints.onopen = look;
  hints.onmessage = ({ data }) => JSON.parse(data).cursor !== cursor && look();
  hints.onerror = ({ target }) => {
    look();
    if (target.readyState === EventSource.CLOSED) setTimeout(listen, POLL_BESIDE_HINTS);
  };
}

const hint = (wait) =>
  new Promise((resolve) => {
    wake = resolve;
    if (hinted) resolve();
    setTimeout(resolve, wait);
  });

async function follow() {
  while (!stopped) {
    hinted = false;
    let wait = hints.readyState === EventSource.OPEN ? POLL_BESIDE_HINTS : POLL;
    try {
      const page = await request("GET", `/api/changes?after=${cursor}`);
      tell("online");
      cursor = page.next_cursor;
      page.items.filter((item) => item.task_id).forEach(apply);
      if (page.items.length) tell("change");
      if (page.has_more) continue;
    } catch (error) {
      if (error.code === "cursor_expired") await reload().catch(() => {});
      else if (error.status === 401) return tell("signed-out");
      else if (error instanceof Unreachable) tell("offline");
      wait = POLL;
    }
    await hint(wait);
  }
}

function apply({ task_id, task }) {
  if (!task) return tasks.delete(task_id); // deleted, or in the trash
  // A task further down than the list has been loaded comes with its page.
  const oldest = Math.min(...tasks.keys());
  if (tasks.has(task.id) || next === null || task.id > oldest) keep(task);
}

addEventListener("online", flush);
addEventListener("online", look);
addEventListener("storage", () => tell("change")); // another tab

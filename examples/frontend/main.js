// The page: forms, the list, and what they say.
import * as api from "./api.js";
import * as tasks from "./tasks.js";

const at = (id) => document.getElementById(id);

// ---- Signing up and in

// Where the code is that each step asks for.
const CODES = {
  verify_email: "We have sent a code to your e-mail address.",
  mfa_authenticate: "It is in your authenticator app. A recovery code is accepted too.",
  password_reset_by_code: "If this address has an account, we have sent a code to it.",
};

function show({ user, missing }) {
  const part = user ? "work" : missing ? "code" : "sign-in";
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = section.id !== part;
  }
  at("sign-out").hidden = !user;
  at("who").textContent = user ? user.display : "";
  at("code-hint").textContent = CODES[missing] ?? "";
  at("code").dataset.missing = missing ?? "";
  at("new-password").hidden = missing !== "password_reset_by_code";
  at("new-password").querySelector("input").disabled = at("new-password").hidden;
  if (user) begin(user);
  else tasks.stop();
}

// Runs the steps of a form, and says what is wrong.
function onSubmit(form, steps) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    const button = event.submitter;
    // For a new password the address alone is needed.
    if (button.formNoValidate && !form.elements.email.reportValidity()) return;
    button.disabled = true;
    try {
      await steps(new FormData(form), button.value);
      form.reset();
    } catch (error) {
      say(error.message);
    }
    button.disabled = false;
  });
}

onSubmit(at("sign-in-form"), async (data, action) => {
  const go = { "sign-up": api.signUp, forgot: api.forgotPassword }[action] ?? api.signIn;
  show(await go(data.get("email"), data.get("password")));
});

onSubmit(at("code-form"), async (data) => {
  const { missing } = at("code").dataset;
  const go = { verify_email: api.verifyEmail, password_reset_by_code: api.resetPassword }[missing];
  try {
    show(await (go ?? api.secondFactor)(data.get("code").trim(), data.get("password")));
    if (go === api.resetPassword) say("Your password is changed. Sign in with it.", "done");
  } catch (error) {
    if (error.status !== 409) throw error;
    show(await api.session());
    say("This code is not valid any more. Start again.");
  }
});

for (const id of ["start-again", "sign-out"]) {
  at(id).addEventListener("click", async () => {
    say("");
    at("code-form").reset();
    show(await api.signOut());
  });
}

// ---- The list

async function begin(user) {
  try {
    await tasks.start(user);
    scrolling.observe(at("end"));
  } catch (error) {
    say(error.message);
  }
}

// Loads pages as long as the end of the list is in sight.
const scrolling = new IntersectionObserver(async ([end]) => {
  if (!end.isIntersecting) return;
  scrolling.unobserve(end.target);
  const more = await tasks.loadMore().catch(() => true); // offline: tried again on scrolling
  if (more) scrolling.observe(end.target);
}, { rootMargin: "400px" });

const items = new Map(); // the elements, by the name of the task

function render() {
  const list = at("tasks");
  const shown = tasks.shown();
  const names = new Set();
  shown.forEach((task, index) => {
    const name = task.client_id ?? task.id;
    names.add(name);
    const item = items.get(name) ?? newItem();
    items.set(name, item);
    fill(item, task);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  for (const [name, item] of items) {
    if (!names.has(name)) {
      item.remove();
      items.delete(name);
    }
  }
  at("empty").hidden = shown.length > 0;
  ask();
}

function newItem() {
  const item = at("task").content.cloneNode(true).querySelector("li");
  const [box, edit, form, cancel] = ["[type=checkbox]", ".edit", "form", ".cancel"].map((it) => item.querySelector(it));
  box.addEventListener("change", () => tasks.setCompleted(item.task, box.checked));
  edit.addEventListener("click", () => {
    item.edited = item.task; // as it was seen, whatever comes meanwhile
    form.elements.title.value = item.task.title;
    toggle(item, true);
    form.elements.title.focus();
  });
  const close = () => {
    toggle(item, false);
    edit.focus();
  };
  cancel.addEventListener("click", close);
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const title = form.elements.title.value.trim();
    if (title !== item.edited.title) tasks.rename(item.edited, title);
    close();
  });
  return item;
}

function toggle(item, editing) {
  item.querySelector("form").hidden = !editing;
  item.querySelector(".row").hidden = editing;
}

function fill(item, task) {
  item.task = task;
  item.querySelector("[type=checkbox]").checked = task.completed;
  // Always as text: a title may look like HTML.
  item.querySelector(".title").textContent = task.title;
  item.querySelector(".edit").setAttribute("aria-label", `Edit ${task.title}`);
  item.querySelector(".waiting").hidden = !task.waiting;
  item.classList.toggle("completed", task.completed);
}

onSubmit(at("add"), async (data) => tasks.create(data.get("title").trim()));

// ---- A conflict

function ask() {
  const [change] = tasks.conflicts();
  const dialog = at("conflict");
  if (!change || dialog.open) return;
  at("mine").textContent = change.body.title;
  at("theirs").textContent = change.conflict.title;
  dialog.onclose = () => tasks.decide(change, dialog.returnValue === "mine");
  dialog.showModal();
}

// ---- What happens

function say(text, kind = "wrong") {
  at("message").textContent = text;
  at("message").className = kind;
}

tasks.events.addEventListener("change", render);
tasks.events.addEventListener("online", () => (at("offline").hidden = true));
tasks.events.addEventListener("offline", () => (at("offline").hidden = false));
tasks.events.addEventListener("refused", (event) => say(event.detail));
tasks.events.addEventListener("signed-out", () => show({ user: null }));

try {
  show(await api.session());
} catch (error) {
  say(error.message);
}

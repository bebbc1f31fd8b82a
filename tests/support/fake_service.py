"""A task service in memory that can be made to break its promises, for `manage.py loadtest`."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: The write that is treated badly, counted from the first one of its kind.
CHOSEN = 3
Answer = tuple[int, dict[str, Any] | None, dict[str, str]]


class FakeService:
    """The operations that a load test calls, of one user."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.tasks: dict[int, dict[str, Any]] = {}
        self.lists: dict[int, str] = {}
        self.events: list[dict[str, Any]] = []
        self.responses: dict[str, Answer] = {}
        self._ids = iter(range(1, 1_000_000))
        self._seen: dict[str, int] = {}
        self._lock = Lock()

    def chosen(self, kind: str, fault: str) -> bool:
        """Whether this is the request at which the fault happens."""
        if self.fault != fault:
            return False
        self._seen[kind] = self._seen.get(kind, 0) + 1
        return self._seen[kind] == CHOSEN

    def answer(self, method: str, url: str, body: Any, key: str) -> Answer | None:
        """The response; None if the connection is to be cut."""
        path = urlsplit(url).path.removeprefix("/api/").split("/")
        query = {
            name: values[0] for name, values in parse_qs(urlsplit(url).query).items()
        }
        with self._lock:
            if self.fault == "dies" and len(self.tasks) >= CHOSEN:
                return None
            if self.fault == "redirects":
                return 302, None, {"Location": "https://other.example/"}
            if self.chosen("any", "is busy"):
                return 503, {"code": "unavailable"}, {"Retry-After": "0"}
            if self.chosen("any", "is throttled"):
                return 429, {"code": "throttled"}, {"Retry-After": "0"}
            if key in self.responses and self.fault != "forgets keys":
                return self.responses[key]
            answer = self._do(method, path, query, body, key)
            if key:
                self.responses[key] = answer
            return None if self.chosen(method, "hangs up") else answer

    def _do(
        self, method: str, path: list[str], query: dict[str, str], body: Any, key: str
    ) -> Answer:
        if path[0] == "tasks" and path[1:] and int(path[1]) not in self.tasks:
            return 404, {"code": "not_found"}, {}
        match method, path:
            case "GET", ["me"]:
                return 200, {"username": "alice"}, {}
            case "GET", ["changes"]:
                after = query["after"]
                start = len(self.events) if after == "latest" else int(after)
                items = self.events[start:]
                page = {"items": items, "next_cursor": str(start + len(items))}
                return 200, page | {"has_more": False}, {}
            case "POST", ["lists"]:
                made = {"id": next(self._ids)} | body
                self.lists[made["id"]] = made["name"]
                return 201, made, {}
            case "DELETE", ["lists", number]:
                del self.lists[int(number)]
                return 204, None, {}
            case "GET", ["tasks"]:
                return 200, {"items": [*self.tasks.values()], "next_cursor": None}, {}
            case "POST", ["tasks"]:
                return self._create(body, key)
            case "GET", ["tasks", number]:
                task = self.tasks[int(number)]
                if self.chosen("read", "is interrupted"):
                    os.kill(os.getpid(), signal.SIGINT)  # as by Ctrl-C
                if self.chosen("read", "reads an old copy"):
                    task = task | {"version": task["version"] - 1}
                return 200, task, {}
            case "DELETE", ["tasks", number]:
                del self.tasks[int(number)]
                return 204, None, {}
            case _, ["tasks", number, *verb]:
                return self._change(int(number), "".join(verb), body, key)
        return 404, {"code": "not_found"}, {}

    def _create(self, body: Any, key: str) -> Answer:
        task: dict[str, Any] = {
            "id": next(self._ids),
            "version": 1,
            "description": "",
            "completed": False,
        }
        task["title"] = body["title"]
        if not self.chosen("create", "loses a task"):
            self.tasks[task["id"]] = task
            self._tell(task, key)
        if self.chosen("create", "creates a task twice"):
            twin = task | {"id": next(self._ids)}
            self.tasks[twin["id"]] = twin
            self._tell(twin, key)
        return 201, task, {}

    def _change(self, number: int, verb: str, body: Any, key: str) -> Answer:
        old = self.tasks[number]
        task = old | {"version": old["version"] + 1} | (body or {})
        if verb:
            task["completed"] = verb == "complete" or not old["completed"]
        if not self.chosen(verb, "loses an update"):
            self.tasks[number] = task
        if not self.chosen(verb, "loses an event"):
            self._tell(task, key)
        if self.chosen(verb, "tells an event twice"):
            self._tell(task, key)
        return 200, task, {}

    def _tell(self, task: dict[str, Any], key: str) -> None:
        self.events.append(
            {
                "sequence": len(self.events) + 1,
                "task_id": task["id"],
                "version": task["version"],
                "request": key,
            }
        )


@contextmanager
def fake_service(fault: str = "") -> Iterator[tuple[str, FakeService]]:
    """The address of a service on loopback, and the service."""
    service = FakeService(fault)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body together

        def _handle(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(content) if content else None
            key = self.headers.get("Idempotency-Key", "")
            answer = service.answer(self.command, self.path, body, key)
            if answer is None:
                self.close_connection = True
                return
            status, result, headers = answer
            sent = b"" if result is None else json.dumps(result).encode()
            self.send_response(status)
            self.send_header("API-Version", "fake")
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_DELETE = _handle

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

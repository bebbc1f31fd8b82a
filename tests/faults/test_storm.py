"""Everything at once: the API, the admin, imports, purges and kills, and an audit of all
that must still be true afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import HOST, Client, NeverAcknowledged, Record, Reply, until
from tests.faults.postgres import PostgreSQL
from tests.support.random_requests import draw
from tests.support.servers import ROOT, manage

WRITES = 250  # acknowledged, over all clients
WITHIN = 150.0  # seconds
#: What a client may be answered that works on what others change, too.
EXPECTED = {200, 201, 202, 204, 404, 409, 410, 412, 422}
#: Actions of the admin, and the titles of the pages that ask for their confirmation.
ACTIONS = {
    "complete": "Complete",
    "reopen": "Reopen",
    "priority_high": "Set the priority to high",
    "trash": "Move to the trash",
    "take_out": "Take out of their lists",
}
#: Prints the key of a session of carol's, who is staff, and a token of bob's.
SIGN_IN = """
from django.contrib.auth import SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from taskproject.accounts.models import ApiToken, User
user, _ = User.objects.get_or_create(username="carol", is_staff=True, is_superuser=True)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
bob = User.objects.create_user("bob")
token = ApiToken(user=bob, name="test", scopes="read write").issue()
print(session.session_key, token)
"""


class Storm:
    """Clients that do at random whatever the API offers, until told to stop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.record = service.record
        self.stopping = Event()
        self.versions: set[tuple[int, int]] = set()  # acknowledged, of tasks
        self.created: set[int] = set()
        self.threads: list[Thread] = []

    def start(self, work: Callable[..., None], *args: Any) -> None:
        def guarded() -> None:
            try:
                work(*args)
            except NeverAcknowledged as error:
                self.record.surprises.append(str(error))
            except Exception as error:  # noqa: BLE001  # whatever it is, the test fails
                self.record.surprises.append(repr(error))

        thread = Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a client is stuck"

    def proceed(self, writes: int) -> None:
        """Waits until so many more versions are acknowledged."""
        enough = len(self.versions) + writes
        until(
            lambda: len(self.versions) >= enough or bool(self.record.surprises), WITHIN
        )
        assert not self.record.surprises, self.record.surprises[:3]

    def work(self, token: str, seed: int, port: int = 0) -> None:
        """One client; two of one token work on the same tasks. `port` is that of another
        service on the same database."""
        chance = random.Random(seed)
        with Client(port or self.service.port, token, self.record) as client:
            while not self.stopping.is_set():
                method, path, body = draw(
                    chance, lambda path: client.insist("GET", path).json()
                )
                reply = client.insist(method, path, body, key=str(uuid4()))
                self.note(reply)
                # Else the commands wait for the processors, not for what is tested.
                time.sleep(0.05)

    def note(self, reply: Reply) -> None:
        if reply.status not in EXPECTED:
            said = (*reply[:3], reply.body[:300])
            self.record.surprises.append(f"unexpected: {said}")
        if reply.status in (200, 201) and reply.method != "GET":
            answer = reply.json()
            for each in answer.get("results", [answer]):
                task = each.get("task", each)
                if task and "open_subtasks" in task:
                    self.versions.add((task["id"], task["version"]))
                    self.record.acknowledged += 1
                    if reply.status == 201:
                        self.created.add(task["id"])

    def follow(self, token: str, seen: list[tuple[Any, ...]]) -> None:
        """A reader of the feed, from its present end on."""
        with Client(self.service.port, token, self.record) as client:
            cursor = client.insist("GET", "/api/changes?after=latest").json()[
                "next_cursor"
            ]
            ended = False
            while True:
                stopped = self.stopping.is_set()
                page = client.insist(
                    "GET", f"/api/changes?after={cursor}&limit=100"
                ).json()
                seen += [(e["task_id"], e["version"], e["verb"]) for e in page["items"]]
                cursor = page["next_cursor"]
                if not page["items"] and ended:
                    return
                ended = stopped and not page["items"]
                time.sleep(0.05)

    def administer(self, session: str) -> None:
        """Staff who complete, reopen and prioritize whatever stands first."""
        chance = random.Random(7)
        token = "a" * 32
        headers = {
            "Cookie": f"sessionid={session}; csrftoken={token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        with Client(self.service.port, self.service.database.token, self.record) as api:
            while not self.stopping.is_set():
                found = api.insist("GET", "/api/tasks?limit=20").json()["items"]
                keys = [task["id"] for task in chance.sample(found, min(3, len(found)))]
                action = chance.choice([*ACTIONS])
                form = [("csrfmiddlewaretoken", token), ("action", action)]
                form += [("_selected_action", str(key)) for key in keys]
                connection = HTTPConnection(HOST, self.service.port, timeout=60)
                try:
                    connection.request(
                        "POST", "/admin/tasks/task/", urlencode(form), headers
                    )
                    asked = connection.getresponse()
                    asked.read()
                    if page := asked.headers["Location"]:
                        form = [
                            form[0],
                            ("step", "confirm"),
                            ("title", ACTIONS[action]),
                        ]
                        connection.request("POST", page, urlencode(form), headers)
                    status = connection.getresponse().status if page else asked.status
                    if status not in (200, 302, 409, 503):
                        self.record.surprises.append(f"the admin answered {status}")
                except OSError:
                    pass  # its worker was killed
                finally:
                    connection.close()
                time.sleep(0.1)

    def audit(self, seen: list[tuple[Any, ...]]) -> None:
        """That nothing acknowledged is missing, each version has one event, whatever follows
        from tasks is as they say, and who followed the feed has `seen` each event."""
        database, record = self.service.database, self.record
        assert not record.surprises, record.surprises[:3]
        untrue = untruths(database)
        events = {(key, version) for key, version, _ in database.events()}
        lost = self.versions - events
        deleted = {key for key, _, verb in database.events() if verb == "deleted"}
        gone = self.created - set(database.tasks()) - deleted
        record.lost = len(lost | {(key, 0) for key in gone})
        record.doubled = len(untrue)
        record.notes.append(
            f"{len(self.versions)} acknowledged versions, {len(seen)} events followed"
        )
        assert untrue == []
        assert lost == set()
        assert gone == set()
        _followed(self.service, seen)


def _command(database: Database, *args: str, **env: str) -> None:
    """A command of an operator, again while the database is away."""
    for attempt in range(5):
        try:
            manage(database.url, *args, **env)
            return
        except RuntimeError:
            if attempt == 4:
                raise
            time.sleep(1)


def untruths(database: Database) -> list[str]:
    """What is not so of it: see tests/faults/audit.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.audit"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database.url},
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def _file(directory: Path) -> Path:
    """Tasks to import, some of them below others."""
    file = directory / "import.csv"
    lines = ["external_id,title,list,parent,tags"]
    for number in range(120):
        parent = f"i{number - 1}" if number % 3 == 2 else ""
        lines.append(f"i{number},Imported {number},List 1,{parent},home")
    file.write_text("\n".join([*lines, ""]))
    return file


@pytest.mark.parametrize("seed", [20_261_128])
def test_a_storm_of_everything_leaves_nothing_lost_doubled_or_untrue(
    start: Start,
    database: Database,
    record: Record,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    seed: int,
) -> None:
    service = start(database, WORKERS="2", THREADS="3")
    printed = manage(database.url, "shell", "--verbosity", "0", "-c", SIGN_IN)
    session, bob = printed.split()
    storm = Storm(service)
    seen: list[tuple[Any, ...]] = []
    for number in range(3):
        storm.start(storm.work, database.token, seed + number)
    storm.start(storm.work, bob, seed + 3)
    storm.start(storm.follow, database.token, seen)
    storm.start(storm.administer, session)
    try:
        storm.proceed(WRITES // 5)
        importing = ("import_tasks", "--owner", "alice", "--format", "csv")
        _command(database, *importing, str(_file(tmp_path)))
        storm.proceed(WRITES // 5)
        os.kill(service.workers()[0], signal.SIGKILL)
        storm.proceed(WRITES // 5)
        _command(database, "purge", "--verbosity", "0", TRASH_DAYS="0")
        if database.url.startswith("postgresql"):
            postgresql: PostgreSQL = request.getfixturevalue("postgresql")
            postgresql.stop()
            postgresql.start()
        else:
            with database.locked():
                time.sleep(0.5)
        storm.proceed(WRITES // 5)
        _command(database, *importing, str(_file(tmp_path)))
        storm.proceed(WRITES // 5)
    finally:
        storm.stop()

    storm.audit(seen)


def _followed(service: Service, seen: list[tuple[Any, ...]]) -> None:
    """That who followed the feed saw each event once, in the order of a second reading."""
    again: list[tuple[Any, ...]] = []
    with service.client() as client:
        cursor = ""
        while True:
            after = f"&after={cursor}" if cursor else ""
            page = client.insist("GET", f"/api/changes?limit=100{after}").json()
            again += [(e["task_id"], e["version"], e["verb"]) for e in page["items"]]
            cursor = page["next_cursor"]
            if not page["items"]:
                break
    assert again[len(again) - len(seen) :] == seen

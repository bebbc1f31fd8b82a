"""Series, whose occurrences are completed, reopened, skipped, changed, moved to the trash and undone
in any order: they advance once for each date, and what is refused changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_token
from tests.support.files import export, load

#: The dates of a series of so many; without COUNT it has more than a test completes.
DATES = [
    date(2990 + month // 12, month % 12 + 1, day).isoformat()
    for month, day in enumerate(
        [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28]
    )
]
RULE = "FREQ=MONTHLY;BYMONTHDAY=31"


@dataclass(frozen=True)
class State:
    """What the series is expected to be: by number of its date, the completed occurrences and the
    open one, if there is one; whether that was changed since it was made, or is in the trash."""

    done: tuple[tuple[int, int], ...]
    open: tuple[int, int] | None
    changed: bool = False
    trashed: bool = False


class Series:
    """A series of alice's, and the state before the last request that changed it."""

    def __init__(self, api: ApiClient, name: str, length: int | None) -> None:
        self._api, self._name, self._length = api, name, length
        self._requests = count()
        #: The last request that changed something, unless it was an undo, and the state before.
        self._last: tuple[str, State] | None = None
        rule = RULE if length is None else f"{RULE};COUNT={length}"
        due = {"due_date": DATES[0], "recurrence": rule, "location": name}
        task = api.send("POST", "/api/tasks", {"title": "Rent", **due}).json()
        self.state = State((), (task["id"], 0))

    def step(self, name: str) -> None:
        steps: dict[str, Callable[[], None]] = {
            "complete": lambda: self._complete("complete"),
            "toggle": lambda: self._complete("toggle"),
            "batch": self._complete_in_batch,
            "reopen": lambda: self._reopen(-1),
            "reopen an earlier one": lambda: self._reopen(-2),
            "skip": self._skip,
            "move": lambda: self._change("due_date", date(2995, 1, 1)),
            "rename": lambda: self._change("title", "Rent"),
            "delete": self._delete,
            "restore": self._restore,
            "undo": self._undo,
        }
        steps[name]()
        self.check()

    def check(self) -> None:
        """Compares what the API has with what is expected."""
        found = self._api.get(f"/api/tasks?location={self._name}&limit=100").json()
        shown = {
            task["id"]: (task["completed"], task["occurrence"], task["next_occurrence"])
            for task in found["items"]
        }
        state = self.state
        followers = [key for key, _ in state.done[1:]]
        last = state.open and state.open[0]
        expected = {
            key: (True, DATES[number], following)
            for (key, number), following in zip(
                state.done, [*followers, last], strict=False
            )
        }
        if state.open and not state.trashed:
            expected[state.open[0]] = (False, DATES[state.open[1]], None)
        assert shown == expected

    def shown(self) -> dict[str, bool]:
        """Whether the occurrences that are not in the trash are completed, by their dates."""
        found = {DATES[number]: True for _, number in self.state.done}
        if self.state.open and not self.state.trashed:
            found[DATES[self.state.open[1]]] = False
        return found

    def exported(self, path: Path, other: User) -> dict[str, bool]:
        """The same of a user who has imported the tasks of alice, whose open one is completed and
        reopened before."""
        export(path, "--owner=alice")
        load(path, f"--owner={other.username}")
        theirs = ApiClient(make_token(other))
        wanted = f"/api/tasks?location={self._name}&limit=100"
        for task in theirs.get(wanted).json()["items"]:
            if not task["completed"]:
                at = f"/api/tasks/{task['id']}"
                key = theirs.send("POST", f"{at}/complete").json()["next_occurrence"]
                assert (key is None) == (
                    DATES.index(task["occurrence"]) + 1 == self._length
                )
                if key is not None:
                    following = theirs.get(f"/api/tasks/{key}").json()["occurrence"]
                    assert following == DATES[DATES.index(task["occurrence"]) + 1]
                assert theirs.send("POST", f"{at}/reopen").status_code == 200
        return {
            task["occurrence"]: task["completed"]
            for task in theirs.get(wanted).json()["items"]
        }

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        self._request = f"{self._name}-{next(self._requests)}"
        headers = {"X-Request-ID": self._request}
        answer = self._api.send(method, path, body, headers=headers)
        assert answer.status_code < 500
        return answer

    def _changed(self, answer: Any, state: State) -> None:
        assert answer.status_code in (200, 204), answer.content
        self._last, self.state = (self._request, self.state), state

    def _complete(self, verb: str) -> None:
        self._completed(lambda path: self._send("POST", f"{path}/{verb}"))

    def _complete_in_batch(self) -> None:
        def send(path: str) -> Any:
            key = int(path.rpartition("/")[2])
            operations = [{"op": "complete", "id": key}] * 2
            answer = self._send("POST", "/api/tasks/batch", {"operations": operations})
            return answer

        self._completed(send)

    def _completed(self, send: Callable[[str], Any]) -> None:
        state = self.state
        if state.open is None:
            return
        key, number = state.open
        answer = send(f"/api/tasks/{key}")
        if state.trashed:
            if "results" in (body := answer.json()):
                body = body["results"][0]
            assert body["status"] >= 400
            return
        following = self._api.get(f"/api/tasks/{key}").json()["next_occurrence"]
        assert (following is None) == (number + 1 == self._length)
        opened = None if following is None else (following, number + 1)
        self._changed(answer, State((*state.done, (key, number)), opened))

    def _reopen(self, which: int) -> None:
        state = self.state
        if len(state.done) < -which:
            return
        key, number = state.done[which]
        answer = self._send("POST", f"/api/tasks/{key}/reopen")
        if which != -1 or state.open and (state.changed or state.trashed):
            assert answer.status_code == 409
        else:
            # Its version is another one than when it was made.
            reopened = State(state.done[:-1], (key, number), changed=True)
            self._changed(answer, reopened)

    def _skip(self) -> None:
        state = self.state
        if state.open is None or state.trashed:
            return
        key, number = state.open
        answer = self._send("POST", f"/api/tasks/{key}/skip")
        if number + 1 == self._length:
            assert answer.status_code == 409
        else:
            self._changed(answer, replace(state, open=(key, number + 1), changed=True))

    def _change(self, name: str, value: Any) -> None:
        """Another one each time."""
        state = self.state
        if state.open and not state.trashed:
            number = next(self._requests)
            days = timedelta(days=number)
            to = str(value + days) if name == "due_date" else f"{value} {number}"
            answer = self._send("PATCH", f"/api/tasks/{state.open[0]}", {name: to})
            self._changed(answer, replace(state, changed=True))

    def _delete(self) -> None:
        state = self.state
        if state.open and not state.trashed:
            answer = self._send("DELETE", f"/api/tasks/{state.open[0]}")
            self._changed(answer, replace(state, trashed=True, changed=True))

    def _restore(self) -> None:
        state = self.state
        if state.open and state.trashed:
            answer = self._send("POST", f"/api/tasks/{state.open[0]}/restore")
            self._changed(answer, replace(state, trashed=False))

    def _undo(self) -> None:
        if self._last is None:
            return
        request, before = self._last
        answer = self._send("POST", "/api/undo", {"request": request})
        if len(before.done) > len(self.state.done) and before.open:
            # The next occurrence is gone for good.
            assert answer.status_code == 409
        else:
            # Its version is another one than when it was made.
            self._changed(answer, replace(before, changed=before.open is not None))
            self._last = None


STEPS = st.sampled_from(
    [
        *("complete", "toggle", "batch", "reopen", "reopen an earlier one"),
        *("skip", "move", "rename", "delete", "restore", "undo"),
    ]
)
_names = count()


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=8,
    suppress_health_check=list(HealthCheck),
)
@example(
    steps=["complete", "undo", "batch", "rename", "reopen", "complete"], length=None
)
@example(
    steps=["complete", "delete", "reopen", "restore", "skip", "undo", "toggle"],
    length=None,
)
@example(
    steps=["skip", "complete", "complete", "reopen", "reopen", "reopen", "undo"],
    length=3,
)
@given(
    steps=st.lists(STEPS, min_size=4, max_size=8), length=st.sampled_from([None, 1, 3])
)
def test_a_series_advances_once_for_each_date(
    steps: list[str], length: int | None, alice: User, bob: User, tmp_path: Path
) -> None:
    series = Series(ApiClient(make_token(alice)), f"series-{next(_names)}", length)
    series.check()
    for step in steps:
        series.step(step)

    assert series.exported(tmp_path / "tasks.jsonl", bob) == series.shown()

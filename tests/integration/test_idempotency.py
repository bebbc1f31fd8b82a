"""Idempotency-Key: a write that is sent twice and done once."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from taskproject import idempotency
from taskproject.accounts.models import User
from taskproject.models import StoredResponse
from tasks.models import Actor, Event, Task
from tests.conftest import ApiClient, force_login, make_task, make_token
from tests.support.failures import no_inserts
from tests.support.rows import make_list, tables
from tests.support.threads import PATIENCE, Threads, at_once, request, until, waiting

KEY = "3f2b1c9e-0a4d-4b4e-9a51-b4e2c2b3f7a0"
OPERATIONS = ["create", "toggle", "complete", "reopen", "restore"]
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def make(owner: User, name: str) -> str:
    """The path of an operation that will change something."""
    if name == "create":
        return "/api/tasks"
    task = make_task(owner, completed=name == "reopen")
    if name == "restore":
        Task.objects.filter(pk=task.pk).trash(Actor(owner.pk, "token"))
    return f"/api/tasks/{task.pk}/{name}"


def post(api: ApiClient, path: str, body: Any = None, key: str = KEY) -> Any:
    if body is None and path == "/api/tasks":
        body = {"title": "New"}
    return api.send("POST", path, body, headers={"Idempotency-Key": key})


def stored() -> list[Any]:
    return tables(Task, Event, StoredResponse)


# Once


@every_operation
def test_the_same_request_again_replays_the_answer_and_does_nothing(
    api: ApiClient, alice: User, name: str
) -> None:
    path = make(alice, name)
    first = post(api, path)
    before = stored()

    again = post(api, path)

    assert first.status_code == (201 if name == "create" else 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("Content-Type", "ETag", "Location"):
        assert again.headers.get(header) == first.headers.get(header)
    assert stored() == before
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]


def test_the_replay_is_the_first_answer_even_if_the_task_has_changed_since(
    api: ApiClient, alice: User
) -> None:
    path = make(alice, "toggle")
    first = post(api, path)
    api.send("POST", path)
    Task.objects.get().delete()

    again = post(api, path)

    assert (again.status_code, again.json()) == (200, first.json())


def test_the_request_is_stored_with_its_answer(api: ApiClient, alice: User) -> None:
    answer = post(api, "/api/tasks")

    kept = StoredResponse.objects.get()
    assert (kept.owner, kept.key, kept.status) == (alice, KEY, 201)
    assert bytes(kept.body) == answer.content
    assert kept.headers["Location"] == answer.headers["Location"]


def test_requests_with_other_keys_are_each_done(api: ApiClient) -> None:
    first, second = post(api, "/api/tasks", key="a"), post(api, "/api/tasks", key="b")

    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second.headers


def test_requests_without_a_key_are_each_done(api: ApiClient) -> None:
    for _ in range(2):
        assert api.send("POST", "/api/tasks", {"title": "New"}).status_code == 201

    assert Task.objects.count() == 2
    assert not StoredResponse.objects.exists()


def test_one_user_may_use_a_token_first_and_the_session_then(
    api: ApiClient, alice: User
) -> None:
    first = post(api, "/api/tasks")
    session = ApiClient("")
    force_login(session, alice)

    assert post(session, "/api/tasks").json() == first.json()


def test_another_users_same_key_is_another_key(
    api: ApiClient, bobs_api: ApiClient, bob: User
) -> None:
    post(api, "/api/tasks")

    answer = post(bobs_api, "/api/tasks")

    assert "Idempotency-Replayed" not in answer.headers
    assert Task.objects.owned_by(bob.pk).get().pk == answer.json()["id"]


# The key


@pytest.mark.parametrize(("first", "second"), [("abc", '"abc"'), ('"abc"', "abc")])
def test_a_key_means_the_same_in_quotes_and_without(
    api: ApiClient, first: str, second: str
) -> None:
    post(api, "/api/tasks", key=first)

    answer = post(api, "/api/tasks", key=second)

    assert answer.headers["Idempotency-Replayed"] == "true"
    assert StoredResponse.objects.get().key == "abc"


@pytest.mark.parametrize("key", ["k", "k" * 255, '"a b"', "~!#$%&'()*+,-./:;<=>?@[]^_"])
def test_any_printable_key_of_255_characters_is_taken(api: ApiClient, key: str) -> None:
    assert post(api, "/api/tasks", key=key).status_code == 201
    assert post(api, "/api/tasks", key=key).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "key",
    ["", '""', '"', '"abc', 'abc"', "a b", "k" * 256, f'"{"k" * 256}"', "ключ", "a\tb"]
    + ['"a"b"', "a\x7f"],
)
def test_a_malformed_key_is_400_and_nothing_is_done(api: ApiClient, key: str) -> None:
    answer = post(api, "/api/tasks", key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_key")
    assert answer.json()["detail"].startswith("Send 1-255 printable ASCII characters")
    assert not Task.objects.exists() and not StoredResponse.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tasks", {"title": "Other"}),
        ("/api/tasks", {"title": "New", "completed": True}),
        ("/api/tasks/{}/complete", None),
    ],
)
def test_the_key_of_another_request_is_422_and_nothing_is_done(
    api: ApiClient, alice: User, path: str, body: Any
) -> None:
    task = make_task(alice)
    post(api, "/api/tasks")
    before = stored()

    answer = post(api, path.format(task.pk), body)

    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert answer.json()["detail"] == "Use a new key for each new request."
    assert stored() == before


def test_the_same_operation_on_another_task_is_another_request(
    api: ApiClient, alice: User
) -> None:
    post(api, make(alice, "toggle"))

    assert post(api, make(alice, "toggle")).status_code == 422


# What is not stored


def test_a_refused_request_is_judged_anew(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    api.send("DELETE", path)
    assert post(api, f"{path}/toggle").status_code == 410
    assert not StoredResponse.objects.exists()
    api.send("POST", f"{path}/restore")

    answer = post(api, f"{path}/toggle")

    assert (answer.status_code, answer.json()["completed"]) == (200, True)
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/tasks", {"title": ""}, 422),
        ("/api/tasks", {"titel": "New"}, 422),
        ("/api/tasks?unknown=1", {"title": "New"}, 422),
        ("/api/tasks/999999/toggle", None, 404),
        ("/api/tasks/nothing", {"title": "New"}, 404),
    ],
)
def test_a_refusal_is_not_stored(
    api: ApiClient, path: str, body: Any, status: int
) -> None:
    assert post(api, path, body).status_code == status

    assert not StoredResponse.objects.exists()
    assert post(api, "/api/tasks").status_code == 201, "the key is still free"


def test_a_412_is_not_stored(api: ApiClient, alice: User) -> None:
    path = make(alice, "toggle")
    headers = {"Idempotency-Key": KEY}

    stale = api.send("POST", path, headers=headers | {"If-Match": '"9"'})
    right = api.send("POST", path, headers=headers | {"If-Match": '"1"'})

    assert (stale.status_code, right.status_code) == (412, 200)
    assert "Idempotency-Replayed" not in right.headers


def test_a_retry_with_its_old_condition_replays_the_answer(
    api: ApiClient, alice: User
) -> None:
    path = make(alice, "toggle")
    headers = {"Idempotency-Key": KEY, "If-Match": '"1"'}
    first = api.send("POST", path, headers=headers)

    again = api.send("POST", path, headers=headers)

    assert (again.status_code, again.json()) == (200, first.json())
    assert Task.objects.get().version == 2


def test_a_401_is_not_stored_and_comes_before_any_replay(
    api: ApiClient, nobody: ApiClient
) -> None:
    assert post(nobody, "/api/tasks").status_code == 401
    assert not StoredResponse.objects.exists()
    post(api, "/api/tasks")

    answer = post(nobody, "/api/tasks")

    assert answer.status_code == 401
    assert "Idempotency-Replayed" not in answer.headers


def test_a_token_that_may_only_read_gets_no_replay(api: ApiClient, alice: User) -> None:
    post(api, "/api/tasks")

    answer = post(ApiClient(make_token(alice, scopes="read")), "/api/tasks")

    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_needs_no_key(api: ApiClient, alice: User, method: str) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"

    for key in (KEY, KEY, "malformed key"):
        answer = api.send(method, path, headers={"Idempotency-Key": key})
        assert answer.status_code == 200
        assert "Idempotency-Replayed" not in answer.headers

    assert not StoredResponse.objects.exists()


# How long


@pytest.mark.parametrize(("hours", "replayed"), [(23.9, True), (24.1, False)])
def test_an_answer_is_kept_for_the_hours_of_the_setting(
    api: ApiClient, settings: Any, hours: float, replayed: bool
) -> None:
    settings.IDEMPOTENCY_HOURS = 24
    first = post(api, "/api/tasks")
    StoredResponse.objects.update(created_at=timezone.now() - timedelta(hours=hours))

    again = post(api, "/api/tasks")

    assert ("Idempotency-Replayed" in again.headers) == replayed
    assert (again.json()["id"] == first.json()["id"]) == replayed
    assert StoredResponse.objects.count() == 1


def test_an_expired_key_may_come_with_another_request(api: ApiClient) -> None:
    post(api, "/api/tasks")
    StoredResponse.objects.update(created_at=timezone.now() - timedelta(hours=25))

    answer = post(api, "/api/tasks", {"title": "Other"})

    assert answer.status_code == 201
    assert post(api, "/api/tasks", {"title": "Other"}).json() == answer.json()


# In one transaction


@pytest.fixture
def no_answers(transactional_db: None, alice: User) -> Iterator[None]:
    """A database that stores no answer from here on."""
    with no_inserts("taskproject_storedanswer"):
        yield


@every_operation
@pytest.mark.django_db(transaction=True)
def test_without_its_stored_answer_there_is_no_effect_either(
    alice: User, no_answers: None, name: str
) -> None:
    api, path = ApiClient(make_token(alice)), make(alice, name)
    before = stored()

    answer = post(api, path)

    assert answer.status_code >= 400
    assert stored() == before


# At the same moment


@pytest.mark.django_db(transaction=True)
@pytest.mark.without_pooler("needs three sessions at once")
@pytest.mark.parametrize("earlier", [None, "New", "Other"])
def test_while_the_first_still_runs_the_second_is_409_on_postgresql(
    alice: User, token: str, earlier: str | None
) -> None:
    """Also if the key was used `earlier`, for the same or another title, and has expired."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the second waits for the first")
    body, headers = {"title": "New"}, {"Idempotency-Key": KEY}
    send = request(token, "POST", "/api/tasks", body, **headers)
    if earlier:
        post(ApiClient(token), "/api/tasks", {"title": earlier})
        old = timezone.now() - timedelta(hours=25)
        StoredResponse.objects.update(created_at=old)

    with Threads() as threads:
        with transaction.atomic():
            make_task(alice, "In the way")  # holds alice's place in the feed
            first = threads.start(send)
            until(lambda: waiting() > 0)
            second = threads.call(send)
        done = first.result(PATIENCE)
        third = threads.call(send)

    assert (second.status_code, second.json()["code"]) == (409, "in_progress")
    assert second.headers["Retry-After"] == "1"
    assert second.headers["Content-Type"] == "application/problem+json"
    assert done.status_code == 201
    assert "Idempotency-Replayed" not in done.headers
    assert (third.status_code, third.json()) == (201, done.json())
    assert third.headers["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_on_sqlite_the_second_waits_for_the_first_and_replays_it(token: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("on PostgreSQL the second is refused at once")
    body, headers = {"title": "New"}, {"Idempotency-Key": KEY}

    answers = at_once([request(token, "POST", "/api/tasks", body, **headers)] * 2)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    replayed = ["Idempotency-Replayed" in answer.headers for answer in answers]
    assert sorted(replayed) == [False, True]
    assert json.loads(bytes(StoredResponse.objects.get().body)) == answers[0].json()


def test_the_same_key_for_another_query_is_another_request(
    api: ApiClient, alice: User
) -> None:
    path, headers = f"/api/lists/{make_list(alice).pk}", {"Idempotency-Key": KEY}
    assert api.send("DELETE", f"{path}?tasks=keep", headers=headers).status_code == 204

    answer = api.send("DELETE", f"{path}?tasks=delete", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


def test_the_same_key_for_another_version_is_another_request(
    api: ApiClient, alice: User
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}/toggle"
    first = {"Idempotency-Key": KEY, "If-Match": '"1"'}
    assert api.send("POST", path, headers=first).status_code == 200

    merged = api.send("POST", path, headers=first | {"If-Match": '"2"'})

    assert (merged.status_code, merged.json()["code"]) == (422, "key_reused")


def test_a_response_stored_since_the_claim_of_the_key_undoes_the_second_write(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(api, "/api/tasks")
    before = stored()
    # As when the first request commits while the second one claims the key.
    monkeypatch.setattr(idempotency, "_claim", lambda *_: (True, None))

    second = post(api, "/api/tasks")

    assert (second.status_code, second.json()["code"]) == (409, "in_progress")
    assert stored() == before


def test_a_refusal_since_the_claim_of_the_key_replays_what_the_first_was_answered(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    headers = {"Idempotency-Key": KEY, "If-Match": '"1"'}
    first = api.send("PATCH", path, {"title": "Other"}, headers=headers)
    claim, claims = idempotency._claim, iter([(True, None)])
    # As above: by then the task has another version.
    monkeypatch.setattr(idempotency, "_claim", lambda *to: next(claims, claim(*to)))

    second = api.send("PATCH", path, {"title": "Other"}, headers=headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()

"""GET /api/tasks/export while others write, and to clients that do not read."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpRequest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from taskproject import downloads
from taskproject.accounts.models import User
from taskproject.downloads import Download, Slots
from taskproject.problems import Unavailable
from tasks import exports
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.copies import connected_to, copy_of
from tests.support.servers import Server, live_server

PATH = "/api/tasks/export"
real = pytest.mark.django_db(transaction=True)


def in_another_thread(work: Any) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result(timeout=20)


def interrupted(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    """Does `work` after the first chunk that is read."""
    read, pending = exports._chunk, [work]

    def reading(*arguments: Any) -> Any:
        found = read(*arguments)
        if pending:
            pending.pop()()
        return found

    monkeypatch.setattr(exports, "_chunk", reading)


def names(api: ApiClient, kind: str = "jsonl") -> list[str]:
    content = api.send("GET", f"{PATH}?format={kind}").getvalue().decode()
    return [
        word for word in ("Parent", "Child", "Late") for _ in range(content.count(word))
    ]


# One moment


@real
@pytest.mark.parametrize("kind", ["jsonl", "csv", "ics"])
def test_a_task_that_gets_a_parent_meanwhile_is_there_once(
    alice: User, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    api = ApiClient(make_token(alice))
    parent, child = make_task(alice, "Parent"), make_task(alice, "Child")

    def move() -> None:
        Task.objects.filter(pk=child.pk).edit(BY, parent_id=parent.pk)
        make_task(alice, "Late")

    interrupted(monkeypatch, lambda: in_another_thread(move))

    assert names(api, kind) == ["Parent", "Child"]
    child.refresh_from_db()
    assert child.parent == parent, "the writer was not held off"


@real
def test_a_task_that_loses_its_parent_meanwhile_is_there(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ApiClient(make_token(alice))
    parent = make_task(alice, "Parent")
    child = make_task(alice, "Child", parent_id=parent.pk)
    interrupted(
        monkeypatch,
        lambda: in_another_thread(
            lambda: Task.objects.filter(pk=child.pk).edit(BY, parent_id=None)
        ),
    )

    assert names(api) == ["Parent", "Child"]


@real
def test_the_command_writes_one_moment_of_everybodys(
    alice: User, bob: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(alice, "Parent")
    theirs = make_task(bob, "Child")
    first, second = alice.pk, bob.pk
    assert first < second
    interrupted(
        monkeypatch,
        lambda: in_another_thread(
            lambda: Task.objects.filter(pk=theirs.pk).edit(BY, title="Late")
        ),
    )
    path = tmp_path / "all.jsonl"

    from django.core.management import call_command

    call_command("export_tasks", output=str(path), verbosity=0)

    content = path.read_text()
    assert "Child" in content
    assert "Late" not in content


@real
def test_a_snapshot_is_over_when_it_has_been_left(alice: User) -> None:
    with connection.snapshot():  # type: ignore[attr-defined]  # our backends'
        assert not Task.objects.exists()

    with transaction.atomic():
        make_task(alice)
    assert Task.objects.exists()


# Failing


@pytest.mark.parametrize("kind", ["jsonl", "csv", "ics"])
def test_a_database_that_fails_meanwhile_is_an_error_and_no_file(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_task(alice)

    def failing() -> None:
        raise OperationalError("gone")

    interrupted(monkeypatch, failing)

    answer = api.send("GET", f"{PATH}?format={kind}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["code"] == "unavailable"
    assert api.send("GET", f"{PATH}?format={kind}").status_code == 200


def test_a_full_disk_is_an_error_and_no_file(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(alice)

    def full(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "SpooledTemporaryFile", full)

    answer = api.send("GET", PATH)

    assert answer.status_code == 503
    assert "no space" in answer.json()["detail"]


def test_its_length_is_told(api: ApiClient, alice: User) -> None:
    make_task(alice)

    answer = api.send("GET", PATH)

    assert int(answer.headers["Content-Length"]) == len(answer.getvalue())


# How many at a time


@override_settings(THREADS=6)
def test_half_of_the_threads_may_send_and_two_of_a_caller() -> None:
    slots = Slots()
    slots.take(1)
    slots.take(1)
    with pytest.raises(Unavailable, match="Your other exports are still"):
        slots.take(1)
    slots.take(2)
    with pytest.raises(Unavailable, match="Too many exports") as caught:
        slots.take(3)
    assert caught.value.extra_headers["Retry-After"]

    slots.give_back(1)

    slots.take(3)


@override_settings(THREADS=1)
def test_where_there_is_one_thread_it_may_send() -> None:
    Slots().take(1)


def test_a_download_that_nobody_closes_gives_its_slot_back() -> None:
    for _ in range(9):
        download = Download(HttpRequest(), 1)
        download.fill([b"x"])
        del download


def test_a_head_request_keeps_no_slot(api: ApiClient) -> None:
    answers = [api.head(PATH) for _ in range(9)]

    assert {answer.status_code for answer in answers} == {200}


# Clients that do not read


@pytest.fixture(scope="module")
def large(migrated: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database whose tasks make a file larger than what systems buffer."""
    with copy_of(migrated) as url:
        with django_db_blocker.unblock(), connected_to(url):
            alice, long = User.objects.create_user("alice"), "x" * 10_000
            rows = [{"title": "Long", "description": long}] * 1_000
            Task.objects.add_all(BY, alice.pk, rows)
        yield url


def unread(server: Server) -> socket.socket:
    """A connection on which an export was asked for, and its first bytes have come."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.settimeout(30)
    client.connect((server.host, server.port))
    client.sendall(
        f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    )
    assert client.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
    return client


@pytest.mark.either_database
def test_a_client_that_does_not_read_is_cut_off_and_sees_it(large: str) -> None:
    with (
        live_server(large, WORKERS="1", THREADS="2", EXPORT_TIMEOUT="1") as server,
        closing(unread(server)) as client,
    ):
        # One of two threads may send; as long as it does, the next one is refused.
        refused = server.send("GET", PATH)
        while (again := server.send("GET", PATH)).status == 503:
            pass
        response = HTTPResponse(client)
        response.begin()
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            response.read()

        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert len(again.body) == int(again.headers["Content-Length"])
        cut = [
            json.loads(line) for line in server.output.splitlines() if "cut off" in line
        ]
    assert [(line["level"], line["message"]) for line in cut] == [
        ("WARNING", "export cut off")
    ]
    assert cut[0]["sent"] < cut[0]["size"] == len(again.body)


@pytest.mark.either_database
def test_a_head_request_is_no_export_that_was_cut_off(large: str) -> None:
    with live_server(large, WORKERS="1", THREADS="2") as server:
        answer = server.send("HEAD", PATH)
        assert server.send("HEAD", PATH).status == 200

        assert int(answer.headers["Content-Length"]) > 10_000
        assert "cut off" not in server.output


@pytest.mark.either_database
def test_unread_exports_leave_threads_for_the_others(large: str) -> None:
    with live_server(large, WORKERS="1", THREADS="4") as server:
        clients = [unread(server) for _ in range(2)]
        try:
            assert [server.send("GET", PATH).status for _ in range(20)] == [503] * 20
            assert server.send("GET", "/livez").status == 200
            assert server.send("GET", "/api/tasks").status == 200
        finally:
            for client in clients:
                client.close()

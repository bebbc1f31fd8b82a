"""`manage.py serve`: the production server, as a process on a real socket."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.support.copies import copy_of
from tests.support.servers import (
    Server,
    live_server,
    manage,
    read_answer,
    starting_server,
)

pytestmark = pytest.mark.either_database

STOPS_LISTENING_WITHIN = 5.0  # seconds
STOPS_SOON = 10.0  # seconds; a worker that has to be killed takes 30
IDLE_CLIENTS = 200

stops = pytest.mark.parametrize(
    "stop", [Server.press_ctrl_c, Server.interrupt, Server.terminate]
)


@pytest.fixture(scope="module")
def database_url(migrated: str) -> Iterator[str]:
    with copy_of(migrated) as database_url:
        yield database_url


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    # More threads than granian finds suitable for few processors.
    with live_server(database_url, THREADS="64") as server:
        yield server


def test_it_answers_over_http(server: Server) -> None:
    created = server.send("POST", "/api/tasks", {"title": "Buy milk"})
    read = server.send("GET", created.headers["Location"])

    assert created.status == 201
    assert read.json() == created.json()
    assert read.json()["title"] == "Buy milk"


def test_it_says_where_everything_is_and_how_to_make_the_first_user(
    server: Server,
) -> None:
    for path in ("/api/tasks", "/api/docs", "/admin/"):
        assert f"{server.url}{path}\n" in server.output
        assert server.send("GET", path).status in (200, 302)
    assert "WARNING" not in server.output
    command = re.search(
        r"First staff user: (\S+) manage\.py createsuperuser\n", server.output
    )
    assert command and Path(command[1]).exists()


def test_a_load_test_proves_that_nothing_is_lost_or_doubled(server: Server) -> None:
    told = json.loads(
        manage(
            server.database_url,
            *("loadtest", server.url, "--requests", "250", "--connections", "6"),
            *("--json", "--max-errors", "0"),
            LOADTEST_TOKEN=f"{server.token} {server.token}",
        )
    )

    assert told["ok"] and (told["lost"], told["duplicated"], told["stale"]) == (0, 0, 0)
    assert told["acknowledged"] > 80 and told["repeated"] > 0
    assert told["events"] == told["acknowledged"] + 2  # those of the two shared tasks
    assert told["errors"] == {} and told["left"] == []
    assert server.send("GET", "/api/lists").json()["items"] == []


@pytest.mark.parametrize(
    ("origin", "most"), [("", 360), ("Origin: http://localhost:3000\r\n", 515)]
)
def test_a_poll_without_changes_is_short(
    server: Server, origin: str, most: int
) -> None:
    cursor = server.send("GET", "/api/changes?after=latest").json()["next_cursor"]
    answer = b""
    with server.socket() as client:
        client.sendall(
            f"GET /api/changes?after={cursor} HTTP/1.1\r\nHost: localhost\r\n{origin}"
            f"Authorization: Bearer {server.token}\r\n\r\n".encode()
        )
        while not answer.endswith(b'"has_more":false}'):
            answer += client.recv(4_096)

    # The bytes of the status line, the headers and the body.
    assert answer.startswith(b"HTTP/1.1 200")
    assert len(answer) <= most


def test_it_serves_the_scripts_of_the_docs_page(server: Server) -> None:
    answer = server.send("GET", "/static/ninja/swagger-ui-bundle.js")

    assert answer.status == 200
    assert "javascript" in answer.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/api/tasks", "/api/nope", "/livez", "/api/me"])
def test_head_has_the_headers_of_get_and_no_body(server: Server, path: str) -> None:
    get, head = server.send("GET", path), server.send("HEAD", path)

    assert head.status == get.status
    assert head.body == b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["X-Request-ID"]


def test_a_head_leaves_the_connection_usable(server: Server) -> None:
    connection = server.connect()
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, "/livez")
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, method == "GET")
    connection.close()


def test_a_chunked_body_gets_411_and_is_not_stored(server: Server) -> None:
    before = server.send("GET", "/api/tasks").json()

    answer = server.send_raw(
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\n"
        b"Authorization: Bearer " + server.token.encode() + b"\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'f\r\n{"title": "abc"}\r\n0\r\n\r\n'
    )

    assert answer.status == 411
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "length_required"
    assert server.send("GET", "/api/tasks").json() == before


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\x00\x01\x02\xff\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /liv ez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nNo colon here\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A : space\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n",
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=lambda garbage: ascii(garbage)[2:40],
)
def test_garbage_on_the_socket_gets_400(server: Server, garbage: bytes) -> None:
    answer = server.send_raw(garbage)

    assert answer.status == 400
    assert b"Traceback" not in answer.body
    assert server.send("GET", "/livez").status == 200


@pytest.mark.parametrize("headers", ["", "Cookie: a=b\r\n"], ids=["short", "long"])
def test_a_body_that_was_cut_off_is_refused_where_it_is_json_all_the_same(
    server: Server, headers: str
) -> None:
    before = server.send("GET", "/api/tasks").json()
    request = (
        "POST /api/tasks HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {server.token}\r\n{headers}"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        '{"title": "cut off"}'
    )

    answer = server.send_raw(request.encode(), last=True)

    assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
    assert server.send("GET", "/api/tasks").json() == before


def test_a_content_type_that_cannot_be_read_is_no_error_of_ours(server: Server) -> None:
    unknown = {"Content-Type": "application/json; a*=none''%20"}

    assert server.send("GET", "/api/tasks", headers=unknown).status == 200
    answer = server.send("POST", "/api/tasks", {"title": "Buy milk"}, unknown)
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")
    assert server.send("GET", "/admin/login/", headers=unknown).status == 200


@pytest.mark.parametrize("path", ["/api/nope", "/api/tasks/x", "/livez/x", "/nope"])
def test_an_error_states_its_length(server: Server, path: str) -> None:
    answer = server.send("GET", path)

    assert answer.status == 404
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_it_keeps_the_callers_request_id(server: Server) -> None:
    answer = server.send("GET", "/api/nope", headers={"X-Request-ID": "from-me-1"})

    assert answer.headers["X-Request-ID"] == "from-me-1"


def test_staff_sign_in_over_plain_http(server: Server) -> None:
    manage(
        server.database_url,
        "createsuperuser",
        "--noinput",
        "--username=carol",
        "--email=carol@example.com",
        DJANGO_SUPERUSER_PASSWORD="correct horse battery",
    )
    cookies = CookieJar()
    browser = build_opener(HTTPCookieProcessor(cookies))
    page = browser.open(f"{server.url}/admin/").read().decode()
    form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert form

    with browser.open(
        f"{server.url}/admin/login/?next=/admin/",
        urlencode(
            {
                "csrfmiddlewaretoken": form[1],
                "username": "carol",
                "password": "correct horse battery",
            }
        ).encode(),
    ) as answer:
        page = answer.read().decode()

    assert answer.url == f"{server.url}/admin/"
    assert "Log out" in page
    names = {cookie.name for cookie in cookies}
    assert names == {"sessionid", "csrftoken", "known_device"}
    assert not any(cookie.secure for cookie in cookies)


def test_idle_clients_keep_no_new_one_waiting(server: Server) -> None:
    """It has its answer while all of them are still connected."""
    with ExitStack() as clients:
        idle = [server.connect() for _ in range(IDLE_CLIENTS)]
        for client in idle:
            clients.callback(client.close)
            client.request("GET", "/livez")
            assert client.getresponse().read() == b'{"status": "ok"}'
        sockets = [client.sock for client in idle]

        answer = server.send("GET", "/livez")

        assert answer.status == 200
        for client in idle:
            client.request("GET", "/livez")
            assert client.getresponse().status == 200
        assert [client.sock for client in idle] == sockets


@stops
def test_it_stops_cleanly_while_it_starts(
    database_url: str, stop: Callable[[Server], None]
) -> None:
    with starting_server(database_url) as server:
        started = time.monotonic()
        stop(server)

        assert server.exit_code() == 0
        assert time.monotonic() - started < STOPS_SOON
        assert "Traceback" not in server.output


@stops
def test_a_request_in_flight_finishes_before_it_stops_cleanly(
    server: Server, stop: Callable[[Server], None]
) -> None:
    body = b'{"title": "Sent in two halves"}'
    head = (
        "POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    with live_server(server.database_url) as stopped, stopped.socket() as client:
        client.sendall(f"{head}Authorization: Bearer {server.token}\r\n\r\n".encode())
        # The server says this when a handler asks for the body: it is under way.
        assert client.recv(4096).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(body[:10])

        stop(stopped)
        _wait_until_it_stops_listening(stopped)
        client.sendall(body[10:])
        response = HTTPResponse(client, method="POST")
        response.begin()
        answer = read_answer(response)
        answered = time.monotonic()

        assert stopped.exit_code() == 0
        assert time.monotonic() - answered < STOPS_SOON
        assert "Traceback" not in stopped.output
        with pytest.raises(ConnectionRefusedError):
            stopped.socket()
    assert answer.status == 201
    assert server.send("GET", answer.headers["Location"]).json() == answer.json()


def _wait_until_it_stops_listening(server: Server) -> None:
    """Or for as long as we care to: an answer is owed either way."""
    deadline = time.monotonic() + STOPS_LISTENING_WITHIN
    while time.monotonic() < deadline:
        try:
            socket.create_connection((server.host, server.port), 1).close()
        except OSError:
            return
        time.sleep(0.05)

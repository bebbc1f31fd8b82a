"""Chromium, and one served instance, for all files: started once.

A test takes `page` (nobody is signed in), `staff_page` (carol is), or makes pages by
`new_page`. It fails if a page logs an error to the console: see `Console.expect`. Tests
share the database of `server`: each makes what it needs, under names of its own.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from taskproject.accounts.models import User
from tests.support.browsers import DESKTOP, MISSING, Console, chromium
from tests.support.copies import connected_to, copy_of, free_port, made_once
from tests.support.servers import ROOT, Server, live_server

# Playwright runs an event loop in this thread, in which Django refuses to use the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

STAFF, PASSWORD = "carol", "correct-horse-battery"
PATIENCE = 10_000  # milliseconds, for busy machines
expect.set_options(timeout=PATIENCE)

NewPage = Callable[..., Page]


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly() -> None:
    """Not here: the server, which checks them, knows the hashes of production alone."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.getuid() != 0
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def frontend() -> Iterator[str]:
    """The origin of the example frontend, which may call the API."""
    with _static_server(ROOT / "examples" / "frontend") as origin:
        yield origin


@pytest.fixture(scope="session")
def forbidden() -> Iterator[str]:
    """An origin that serves the same pages, and may not call the API."""
    with _static_server(ROOT / "examples" / "frontend") as origin:
        yield origin


@pytest.fixture(scope="session")
def push_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def server(
    frontend: str, push_port: int, django_db_blocker: DjangoDbBlocker
) -> Iterator[Server]:
    """The service, on a database of its own, with carol, who is staff."""
    with django_db_blocker.unblock():
        template = made_once(lambda: call_command("migrate", verbosity=0))
    with copy_of(template) as database_url:
        with django_db_blocker.unblock(), connected_to(database_url):
            User.objects.create_superuser(STAFF, password=PASSWORD)
        with live_server(
            database_url,
            API_GUEST="guest",
            SIGNUP="open",
            EMAIL_URL="log:",
            PASSKEY_DOMAIN="localhost",
            LOG_LEVEL="INFO",
            CORS_ALLOWED_ORIGINS=frontend,
            CSRF_TRUSTED_ORIGINS=frontend,
            WORKERS="1",
            PUSH_PORT=str(push_port),
        ) as server:
            yield server


@pytest.fixture
def stored(server: Server, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Lets the test use the models: they are those of the server's database."""
    with django_db_blocker.unblock(), connected_to(server.database_url):
        yield


@pytest.fixture
def console() -> Iterator[Console]:
    """The console of all pages of the test, which fails if there are errors in the end."""
    console = Console()
    yield console
    assert console.errors == []


@pytest.fixture
def new_page(browser: Browser, server: Server, console: Console) -> Iterator[NewPage]:
    """Makes a page that shares no cookies with others: `new_page(size=PHONE)`; further
    options are those of Playwright's `new_context`."""
    with ExitStack() as stack:

        def make(size: tuple[int, int] = DESKTOP, **options: Any) -> Page:
            context = _context(browser, server, size, **options)
            stack.callback(context.close)
            console.watch(context)
            return context.new_page()

        yield make


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A page of somebody who is not signed in."""
    return new_page()


@pytest.fixture
def staff_page(staff: BrowserContext, console: Console) -> Iterator[Page]:
    """A new page of carol's, who is signed in to the admin. Another size, or somebody who
    signs out: `new_page(size=PHONE, storage_state=staff.storage_state())`."""
    console.watch(staff)
    page = staff.new_page()
    yield page
    page.close()
    console.leave(staff)


@pytest.fixture(scope="session")
def staff(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """The browser in which carol is signed in; a new one for each test would be slow."""
    context = _context(browser, server, DESKTOP)
    page = context.new_page()
    sign_in(page, STAFF)
    page.wait_for_url("**/admin/")
    page.close()
    yield context
    context.close()


def sign_in(page: Page, username: str) -> None:
    """Fills in and sends the admin's form."""
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def _context(
    browser: Browser, server: Server, size: tuple[int, int], **options: Any
) -> BrowserContext:
    width, height = size
    context = browser.new_context(
        base_url=options.pop("base_url", server.url),
        viewport={"width": width, "height": height},
        **options,
    )
    context.set_default_timeout(PATIENCE)
    return context


@contextmanager
def _static_server(directory: Path) -> Iterator[str]:
    """Serves files on a free port of loopback; yields the origin."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Files, directory=str(directory))
    )
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Not to standard error."""

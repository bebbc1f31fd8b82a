"""examples/frontend, which calls the API from another origin."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Browser, Page, Route, expect

from taskproject.accounts.models import User
from tests.browser.conftest import PASSWORD, NewPage
from tests.support.admin import SCRIPT
from tests.support.browsers import PHONE, Console, accessible
from tests.support.copies import free_port
from tests.support.servers import Server

EMAIL = "dora@example.com"
#: The responses by which /api/auth/ says that somebody is not signed in.
NOT_SIGNED_IN = "api/auth/.* status of 401"
#: Seconds, for busy machines: half a second and the time of two requests.
HINT_WITHIN = 2.5
NO_CONNECTION = "ERR_INTERNET_DISCONNECTED"

Open = Callable[..., Page]


@pytest.fixture
def open_frontend(
    new_page: NewPage, server: Server, frontend: str, push_port: int
) -> Open:
    """Opens the page of an origin, with the addresses of our server in its config.js."""

    def opened(origin: str = frontend, hints: int = push_port, **options: Any) -> Page:
        page = new_page(base_url=origin, **options)
        _configure(page, server, hints)
        page.goto("/")
        return page

    return opened


@pytest.fixture(scope="session")
def dora(browser: Browser, server: Server, frontend: str, push_port: int) -> Any:
    """Cookies of dora's, who has signed up on the page."""
    context = browser.new_context(base_url=frontend)
    page = context.new_page()
    _configure(page, server, push_port)
    page.goto("/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("We have sent a code")).to_be_visible()
    page.get_by_label("Code").fill(_mailed_code(server))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("New task")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


def _configure(page: Page, server: Server, push_port: int) -> None:
    push = f"http://{server.host}:{push_port}"
    script = f'export const API = "{server.url}", PUSH = "{push}";'
    page.route(
        "**/config.js",
        lambda it: it.fulfill(body=script, content_type="text/javascript"),
    )


def _mailed_code(server: Server, email: str = EMAIL) -> str:
    lines = [line for line in server.output.splitlines() if f'"{email}"' in line]
    found = re.search(
        r"^([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)$",
        json.loads(lines[-1])["body"],
        re.MULTILINE,
    )
    assert found, lines[-1]
    return found[1]


class Elsewhere:
    """Another page of the same person, which calls the API."""

    def __init__(self, page: Page, server: Server) -> None:
        self._request, self._url = page.context.request, server.url

    def send(self, method: str, path: str, body: Any = None) -> Any:
        me = self._request.get(f"{self._url}/api/me").json()
        answer = self._request.fetch(
            self._url + path,
            method=method,
            data=body,
            headers={"X-CSRFToken": me["csrf_token"]},
        )
        assert answer.ok, answer.text()
        return answer.json()

    def titled(self, title: str) -> list[Any]:
        tasks = self.send("GET", "/api/tasks?limit=500")["items"]
        return [task for task in tasks if task["title"] == title]


def add(page: Page, title: str) -> None:
    page.get_by_label("New task").fill(title)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("checkbox", name=title)).to_be_visible()


def all_sent(page: Page) -> None:
    expect(page.get_by_text("not sent yet").locator("visible=true")).to_have_count(0)


def test_somebody_who_has_signed_up_signs_in_works_and_signs_out(
    open_frontend: Open, dora: Any, console: Console
) -> None:
    console.expect(NOT_SIGNED_IN)
    page = open_frontend()

    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_have_text("dora")
    add(page, "Buy oat milk")
    page.get_by_role("checkbox", name="Buy oat milk").check()
    all_sent(page)
    page.reload()
    expect(page.get_by_role("checkbox", name="Buy oat milk")).to_be_checked()
    assert accessible(page) == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def test_it_is_accessible(open_frontend: Open, dora: Any, console: Console) -> None:
    console.expect(NOT_SIGNED_IN)
    stranger = open_frontend(size=PHONE)
    expect(stranger.get_by_label("Password", exact=True)).to_be_visible()
    assert accessible(stranger) == []

    page = open_frontend(size=PHONE, storage_state=dora)
    add(page, "Water the plants")
    page.get_by_role("button", name="Edit Water the plants").click()
    assert accessible(page) == []


@pytest.mark.usefixtures("stored")
def test_a_forgotten_password_is_replaced(
    open_frontend: Open, server: Server, console: Console
) -> None:
    """Also after three wrong codes, which end the one that was mailed."""
    email = "ella@example.com"
    ella = User.objects.create_user("ella", email)
    EmailAddress.objects.create(user=ella, email=email, primary=True, verified=True)
    console.expect(NOT_SIGNED_IN, "status of 4(00|09)")
    page = open_frontend(size=PHONE)
    forgot = page.get_by_role("button", name="Forgot password")

    def answer(code: str) -> None:
        page.get_by_label("Code").fill(code)
        page.get_by_label("New password").fill(PASSWORD)
        with page.expect_response("**/auth/password/reset"):
            page.get_by_role("button", name="Continue").click()

    page.get_by_label("E-mail address").fill(email)
    forgot.click()
    for _ in range(4):
        answer("AAAA-BBBB")
    expect(page.get_by_role("alert")).to_contain_text("not valid any more")

    page.get_by_label("E-mail address").fill("ela@example.com")
    forgot.click()
    expect(page.get_by_label("New password")).to_be_visible()
    assert accessible(page) == []
    page.get_by_role("button", name="Start again").click()

    page.get_by_label("E-mail address").fill(email)
    forgot.click()
    expect(page.get_by_label("New password")).to_be_visible()
    answer(_mailed_code(server, email))
    expect(page.get_by_role("alert")).to_contain_text("Your password is changed")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_have_text("ella")


def test_a_wrong_password_is_explained(open_frontend: Open, console: Console) -> None:
    console.expect(NOT_SIGNED_IN, "status of 400")
    page = open_frontend()

    page.get_by_label("E-mail address").fill("nobody@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("not correct")


def test_changes_wait_until_the_service_is_back(
    open_frontend: Open, dora: Any, server: Server, console: Console
) -> None:
    console.expect(NO_CONNECTION)
    page = open_frontend(storage_state=dora)
    elsewhere = Elsewhere(page, server)
    add(page, "Before the tunnel")
    all_sent(page)

    page.context.set_offline(True)
    page.get_by_role("checkbox", name="Before the tunnel").check()
    add(page, "In the tunnel")
    page.get_by_role("checkbox", name="In the tunnel").check()
    expect(page.get_by_text("You are offline")).to_be_visible()
    expect(page.get_by_text("not sent yet").locator("visible=true")).to_have_count(2)
    page.context.set_offline(False)

    all_sent(page)
    expect(page.get_by_text("You are offline")).to_be_hidden()
    for title in ("Before the tunnel", "In the tunnel"):
        [task] = elsewhere.titled(title)
        assert task["completed"]


def test_what_got_through_without_a_response_is_applied_once(
    open_frontend: Open, dora: Any, server: Server, console: Console
) -> None:
    console.expect("ERR_FAILED")
    page = open_frontend(storage_state=dora)
    elsewhere = Elsewhere(page, server)
    lost: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST" or lost:
            return route.fallback()
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/api/tasks**", lose)
    add(page, "Sent twice")
    all_sent(page)

    assert lost == [201]
    [task] = elsewhere.titled("Sent twice")
    assert task["version"] == 1


def test_a_change_of_another_session_appears_by_a_hint(
    open_frontend: Open, dora: Any, server: Server
) -> None:
    """With a stream, the page polls every minute."""
    page = open_frontend(storage_state=dora)
    with page.expect_request("**/api/changes?after=*"):
        pass  # the one after the stream has begun
    elsewhere = Elsewhere(page, server)
    elsewhere.send("POST", "/api/tasks", {"title": "Before the second hint"})
    expect(page.get_by_text("Before the second hint")).to_be_visible()

    began = time.monotonic()
    elsewhere.send("POST", "/api/tasks", {"title": "Told by a hint"})
    expect(page.get_by_text("Told by a hint")).to_be_visible()
    assert time.monotonic() - began < HINT_WITHIN


def test_without_a_stream_it_polls(
    open_frontend: Open, dora: Any, server: Server, console: Console
) -> None:
    console.expect("ERR_CONNECTION_REFUSED")
    page = open_frontend(hints=free_port(), storage_state=dora)

    Elsewhere(page, server).send("POST", "/api/tasks", {"title": "Found by a poll"})

    expect(page.get_by_text("Found by a poll")).to_be_visible()


def test_changes_of_others_appear_and_are_merged(
    open_frontend: Open, dora: Any, server: Server, console: Console
) -> None:
    """Another member was changed: both changes stand. The same one: the person decides."""
    console.expect("status of 412")
    page = open_frontend(storage_state=dora)
    elsewhere = Elsewhere(page, server)
    task = elsewhere.send("POST", "/api/tasks", {"title": "Call Ann"})
    path = f"/api/tasks/{task['id']}"

    page.get_by_role("button", name="Edit Call Ann").click()
    elsewhere.send("POST", f"{path}/complete")
    expect(
        page.get_by_role("checkbox", name="Call Ann", include_hidden=True)
    ).to_be_checked()
    _retitle(page, "Call Anna")
    all_sent(page)
    seen = elsewhere.send("GET", path)
    assert (seen["title"], seen["completed"]) == ("Call Anna", True)

    page.get_by_role("button", name="Edit Call Anna").click()
    elsewhere.send("PATCH", path, {"title": "Call Bob"})
    _retitle(page, "Call Anna back")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Call Bob")
    assert accessible(page) == []
    dialog.get_by_role("button", name="Keep mine").click()
    all_sent(page)
    assert elsewhere.send("GET", path)["title"] == "Call Anna back"


def _retitle(page: Page, title: str) -> None:
    page.get_by_label("Title").locator("visible=true").fill(title)
    page.get_by_role("button", name="Save").click()


def test_it_scrolls_through_many_tasks(
    open_frontend: Open, dora: Any, server: Server
) -> None:
    page = open_frontend(storage_state=dora)
    creations = [
        {"op": "create", "body": {"title": f"Step {number} of many"}}
        for number in range(100)
    ]
    Elsewhere(page, server).send("POST", "/api/tasks/batch", {"operations": creations})
    page.reload()
    first = page.get_by_role("checkbox", name="Step 0 of many")

    expect(page.get_by_role("checkbox", name="Step 99 of many")).to_be_visible()
    assert first.count() == 0
    while not first.count():
        with page.expect_response("**/api/tasks?**cursor=**"):
            page.locator("#tasks > li").last.scroll_into_view_if_needed()

    expect(page.get_by_role("checkbox", name="of many")).to_have_count(100)


def test_a_title_with_markup_stays_text(
    open_frontend: Open, dora: Any, server: Server
) -> None:
    """As HTML it would have an error on the console: there is no such image."""
    page = open_frontend(storage_state=dora)
    title = f"{SCRIPT}<img src=x onerror=alert(1)>"

    Elsewhere(page, server).send("POST", "/api/tasks", {"title": title})

    expect(page.get_by_role("checkbox", name=title)).to_be_visible()


def test_a_page_of_a_forbidden_origin_cannot(
    open_frontend: Open, dora: Any, forbidden: str, server: Server, console: Console
) -> None:
    console.expect("blocked by CORS policy", "ERR_FAILED", "status of 403")
    page = open_frontend(forbidden, storage_state=dora)

    expect(page.get_by_role("alert")).to_have_text("The service cannot be reached.")
    # Not even blindly, without a preflight: the guest's tasks are no stranger's either.
    page.evaluate(
        """url => fetch(url, {method: "POST", mode: "no-cors", credentials: "include",
            body: '{"title": "Written by a stranger"}'})""",
        f"{server.url}/api/tasks",
    )
    for headers in ({}, {"Authorization": "Bearer none"}):
        answer = page.evaluate(
            """([url, headers]) => fetch(url, {method: "POST", credentials: "include",
                headers}).then(() => "read", () => "refused")""",
            [f"{server.url}/api/tasks", headers],
        )
        assert answer == "refused"
    titles = Elsewhere(page, server).titled("Written by a stranger")
    assert titles == []


def test_batches_and_polls_without_changes_cost_few_preflights(
    new_page: NewPage, server: Server, frontend: str, console: Console
) -> None:
    """The 47 requests of docs/api.md, "Pages of other origins"."""
    console.expect("favicon.ico")
    page = new_page(base_url=frontend)
    page.goto("/config.js")  # of its origin, without requests of its own
    before = len(server.output)

    made = page.evaluate(BATCHES, [server.url, server.token])

    lines = server.output[before:].splitlines()
    asked = [line for line in lines if '"method":"OPTIONS"' in line]
    assert made == 47
    assert 0 < len(asked) <= 8


#: Begins, then creates, edits and toggles ten tasks, and polls eleven times; returns the number
#: of its requests.
BATCHES = """async ([server, token]) => {
    let made = 0;
    const call = async (path, body) => {
        made += 1;
        const headers = {Authorization: `Bearer ${token}`};
        if (body) headers["Content-Type"] = "application/json";
        const answer = await fetch(server + path, body
            ? {method: "POST", headers, body: JSON.stringify(body)} : {headers});
        if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
        return answer.json();
    };
    const change = async (operation) =>
        (await call("/api/tasks/batch", {operations: [operation]})).results[0].task;
    for (const path of ["me", "lists", "tags", "tasks", "tasks/counts"])
        await call(`/api/${path}`);
    const {next_cursor} = await call("/api/changes?after=latest");
    for (let number = 0; number < 10; number += 1) {
        let task = await change({op: "create", body: {title: `Batched ${number}`}});
        for (const changed of [{op: "update", body: {priority: "high"}}, {op: "toggle"}]) {
            const {id, version} = task;
            task = await change({...changed, id, version});
        }
    }
    for (let poll = 0; poll < 11; poll += 1)
        await call("/api/changes?after=" + next_cursor);
    return made;
}"""

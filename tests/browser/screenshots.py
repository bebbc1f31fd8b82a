"""Takes the pictures of docs/pages.md anew: `make screenshots`, which needs Chromium and
`convert` (ImageMagick). Look at each afterwards."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from taskproject.accounts.models import User
from tasks.models import Task, TaskList
from tests.browser.conftest import NewPage
from tests.conftest import BY
from tests.support.browsers import PHONE, Console
from tests.support.servers import ROOT, Server

DIRECTORY = ROOT / "docs" / "pictures"
KILOBYTE = 1_000
LIST = "/admin/tasks/task/"
TITLES = [
    ("Renew the passport", "Errands", "urgent", -2, ["family"]),
    ("Pay the rent", "Home", "high", 0, ["money"]),
    ("Book the train to Łódź", "Errands", "medium", 1, ["travel"]),
    ("Water the plants", "Home", "none", 0, []),
    ("Write the report for the third quarter", "Work", "high", 3, ["report"]),
    ("Call Anna back", "Work", "low", None, ["phone"]),
    ("Repair the bicycle", "Home", "none", 9, ["garage"]),
    ("Order paper and ink", "Work", "low", 6, ["office"]),
    ("Prepare the meeting of the board", "Work", "medium", 2, ["report", "office"]),
    ("Buy oat milk, bread and a cake for Saturday", "Errands", "none", 4, ["shopping"]),
    ("Return the books to the library", "Errands", "low", -1, ["family"]),
    ("Clean the windows", "Home", "none", None, []),
]  # fmt: skip
PRIORITIES = {"none": 0, "low": 1, "medium": 2, "high": 3, "urgent": 4}

Picture = Callable[[Page, str], Path]


@pytest.fixture
def tasks(stored: None) -> None:
    """Tasks of three people, with a month of history."""
    if Task.objects.exists():
        return
    random = Random(1)
    now = timezone.now()
    for name in ("alice", "bob", "erin"):
        owner = User.objects.create_user(name)
        lists = {
            it: TaskList.objects.add(BY, owner_id=owner.pk, name=it)
            for it in ("Errands", "Home", "Work")
        }
        rows: list[dict[str, Any]] = [
            {
                "title": title,
                "list_id": lists[place].pk,
                "priority": PRIORITIES[priority],
                "due_date": now.date() + timedelta(due) if due is not None else None,
                "tags": tags,
            }
            for title, place, priority, due, tags in TITLES
        ]
        for row in rows:
            Task.objects.add(BY, owner_id=owner.pk, **row)
        done = [
            Task.objects.add(BY, owner_id=owner.pk, title=title, completed=True).pk
            for title, *_ in TITLES * 3
        ]
        for pk in done:
            at = now - timedelta(days=int(random.triangular(0, 29, 3)), minutes=5)
            Task.objects.filter(pk=pk).update(
                created_at=at, updated_at=at, completed_at=at
            )


@pytest.fixture
def picture() -> Picture:
    """Takes a picture of what is in sight."""

    def take(page: Page, name: str) -> Path:
        DIRECTORY.mkdir(exist_ok=True)
        path = DIRECTORY / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        # A palette of 256 colours makes the file a third.
        palette = ["-dither", "None", "-colors", "256", "-strip", f"PNG8:{path}"]
        subprocess.run(["convert", path, *palette], check=True)
        assert path.stat().st_size < 100 * KILOBYTE, name
        return path

    return take


@pytest.fixture
def staff_in(new_page: NewPage, staff: BrowserContext, tasks: None) -> NewPage:
    """Pages of carol's, of any size and colours."""
    return lambda **options: new_page(storage_state=staff.storage_state(), **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dashboard(staff_in: NewPage, picture: Picture, scheme: str) -> None:
    page = staff_in(color_scheme=scheme)
    page.goto("/admin/")
    picture(page, f"dashboard-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_list(staff_in: NewPage, picture: Picture, scheme: str) -> None:
    page = staff_in(color_scheme=scheme)
    page.goto(f"{LIST}?completed__exact=0")
    picture(page, f"list-{scheme}")


def test_list_on_a_phone(staff_in: NewPage, picture: Picture) -> None:
    page = staff_in(size=PHONE)
    page.goto(f"{LIST}?completed__exact=0")
    page.locator("#changelist-form").evaluate("it => it.scrollIntoView()")
    picture(page, "list-phone")


def test_task(staff_in: NewPage, picture: Picture) -> None:
    page = staff_in()
    task = Task.objects.filter(
        title__startswith="Write the report", completed=False
    ).latest("pk")
    page.goto(f"{LIST}{task.pk}/change/")
    picture(page, "task-light")


def test_bulk(staff_in: NewPage, picture: Picture) -> None:
    page = staff_in(color_scheme="dark")
    page.goto(f"{LIST}?q=report")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").first.select_option(
        label="Complete the selected tasks"
    )
    page.get_by_role("button", name="Go").first.click()
    expect(page.get_by_text("will be changed")).to_be_visible()
    picture(page, "bulk-dark")


def test_docs(page: Page, picture: Picture) -> None:
    page.goto("/api/docs")
    expect(page.get_by_text("/api/tasks", exact=True).first).to_be_visible()
    picture(page, "docs-light")


def test_front(new_page: NewPage, picture: Picture) -> None:
    page = new_page(size=(1_000, 900), color_scheme="dark")
    page.goto("/")
    picture(page, "front-dark")


def test_frontend(
    new_page: NewPage,
    picture: Picture,
    server: Server,
    frontend: str,
    console: Console,
) -> None:
    page = new_page(size=PHONE, base_url=frontend)
    # `manage.py push` does not run: the page polls.
    console.expect("api/changes/stream")
    script = f'export const API = "{server.url}", PUSH = API;'
    page.route(
        "**/config.js",
        lambda it: it.fulfill(body=script, content_type="text/javascript"),
    )
    user = {"data": {"user": {"id": 0, "display": "guest"}}}
    page.route("**/auth/session", lambda it: it.fulfill(json=user))
    page.goto("/")
    for title, *_ in TITLES[:6]:
        page.get_by_label("New task").fill(title)
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("checkbox", name=title)).to_be_visible()
    page.get_by_role("checkbox", name="Pay the rent").check()
    expect(page.get_by_text("not sent yet").locator("visible=true")).to_have_count(0)
    page.mouse.click(5, 5)
    picture(page, "frontend-phone")

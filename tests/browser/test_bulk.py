"""Bulk changes, exports and imports, as staff do them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import accessible
from tests.support.servers import Server

LIST = "/admin/tasks/task/"
#: The words of each action, the values that it asks for, and what the message says.
ACTIONS: dict[str, tuple[str, dict[str, str], str]] = {
    "complete": ("Complete the selected", {}, "Completed 2 of 2"),
    "priority": ("Set the priority of the selected tasks to high", {}, "Priority high: 2 of 2"),
    "due": ("Set the due date", {"Pick a day": "2030-05-01T09:30"}, "Due 2030-05-01 09:30 UTC: 2 of 2"),
    "add tags": ("Add tags", {"Tags:": "errand, new"}, "Added the tags errand, new: 2 of 2"),
    "place": ("Put the selected tasks into a list", {"List:": "Home"}, "Put into Home: 2 of 2"),
    "assign": ("Assign the selected", {"User name:": "carol"}, "Assigned to carol: 2 of 2"),
    "trash": ("Move the selected tasks to the trash", {}, "Moved to the trash: 2 of 2"),
}  # fmt: skip


@pytest.fixture
def word(server: Server) -> str:
    """A word of two new tasks of alice's, who has a list."""
    word = f"bulk{datetime.now(UTC):%H%M%S%f}"
    server.send("POST", "/api/lists", {"name": "Home"})
    for number in range(2):
        server.send("POST", "/api/tasks", {"title": f"{word} {number}"})
    return word


def found(server: Server, word: str) -> list[dict[str, Any]]:
    """Alice's tasks with this word, as the API has them, without what every change changes."""
    tasks: list[dict[str, Any]] = server.send("GET", f"/api/tasks?q={word}").json()[
        "items"
    ]
    for task in tasks:
        del task["version"], task["updated_at"]
    return tasks


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_shown_done_and_undone(
    staff_page: Page, server: Server, word: str, name: str
) -> None:
    page, (action, values, said) = staff_page, ACTIONS[name]
    before = found(server, word)
    page.goto(f"{LIST}?q={word}")
    page.locator("#action-toggle").check()
    select = page.locator("select[name=action]").first
    label = select.locator("option", has_text=action).first.inner_text()
    select.select_option(label=label)
    page.get_by_role("button", name="Go").first.click()
    for field, value in values.items():
        page.get_by_label(field).fill(value)
    if values:
        assert accessible(page) == []
        page.get_by_role("button", name="Show what it would do").click()
    expect(page.get_by_text("2 of 2 selected tasks will be changed")).to_be_visible()
    expect(page.get_by_text("alice: 2")).to_be_visible()
    if name == "complete":
        assert accessible(page) == []

    page.get_by_role("button", name="Yes, change them").click()
    expect(page.get_by_text(said)).to_be_visible()
    assert found(server, word) != before
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("Undone: 2 of 2 tasks.")).to_be_visible()
    assert found(server, word) == before


def test_a_csv_with_a_bad_row_is_imported_without_it(
    staff_page: Page, server: Server, word: str
) -> None:
    page = staff_page
    page.goto(LIST)
    page.get_by_role("link", name="Import").click()
    assert accessible(page) == []
    rows = f"title,priority\n{word} Bread,high\n{word} <b>bad</b>,huge\n{'x' * 250},\n"
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    page.get_by_label("File:").set_input_files(file)  # type: ignore[arg-type]  # as documented
    page.get_by_label("Owner of the tasks:").fill("alice")
    page.get_by_role("button", name="Show what it would do").click()

    expect(page.get_by_text("1 task of alice will be added")).to_be_visible()
    why = f"Line 3, {word} <b>bad</b>: Unknown priority 'huge'"
    expect(page.get_by_text(why)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert accessible(page) == []
    assert len(found(server, word)) == 2
    page.get_by_role("button", name="Import the others").click()

    expect(page.get_by_text("1 task imported.")).to_be_visible()
    assert accessible(page) == []
    assert found(server, word)[0]["priority"] == "high"
    page.get_by_role("button", name="Undo the import").click()

    expect(page.get_by_text("Undone: 1 of these tasks deleted.")).to_be_visible()
    assert accessible(page) == []
    assert len(found(server, word)) == 2


def test_the_shown_tasks_are_downloaded(
    staff_page: Page, server: Server, word: str
) -> None:
    page = staff_page
    page.goto(f"{LIST}?q={word}")
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("2 tasks, as the list shows")).to_be_visible()
    assert accessible(page) == []

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    content = download.value.path().read_text("utf-8-sig")
    assert content.count(word) == 2

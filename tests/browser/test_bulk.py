"""Bulk changes, exports and imports, as staff do them."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import accessible

LIST = "/admin/tasks/task/"
#: The words of each action, the values that it asks for, and what the message says.
ACTIONS: dict[str, tuple[str, dict[str, str], str]] = {
    "complete": ("Complete the selected", {}, "Completed 2 of 2"),
    "priority": ("Set the priority of the selected tasks to high", {}, "Priority high: 2 of 2"),
    "due": ("Set the due date", {"Due on the day:": "2030-05-01"}, "Due 2030-05-01: 2 of 2"),
    "add tags": ("Add tags", {"Tags:": "errand, new"}, "Added the tags errand, new: 2 of 2"),
    "place": ("Put the selected tasks into a list", {"List:": "Home"}, "Put into Home: 2 of 2"),
    "assign": ("Assign the selected", {"User name:": "erin"}, "Assigned to erin: 2 of 2"),
    "trash": ("Move the selected tasks to the trash", {}, "Moved to the trash: 2 of 2"),
}  # fmt: skip


@pytest.fixture
def words(stored: None) -> str:
    """A word of two new tasks of dave's, who has a list."""
    from taskproject.accounts.models import User
    from tasks.models import Task, TaskList
    from tests.conftest import BY

    dave, _ = User.objects.get_or_create(username="dave")
    User.objects.get_or_create(username="erin")
    if not TaskList.objects.filter(owner=dave).exists():
        TaskList.objects.add(BY, owner_id=dave.pk, name="Home")
    word = f"bulk{datetime.now(UTC):%H%M%S%f}"
    rows = [{"title": f"{word} {n}"} for n in range(2)]
    Task.objects.add_all(BY, dave.pk, rows)
    return word


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_shown_done_and_undone(
    staff_page: Page, words: str, name: str
) -> None:
    from tasks.models import Task

    page, (action, values, said) = staff_page, ACTIONS[name]
    tasks = Task.objects.filter(title__startswith=words)
    page.goto(f"{LIST}?q={words}")
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
    expect(page.get_by_text("dave: 2")).to_be_visible()
    if name == "complete":
        assert accessible(page) == []

    page.get_by_role("button", name="Yes, change them").click()
    expect(page.get_by_text(said)).to_be_visible()
    assert {task.version for task in tasks.all()} == {2}
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("Undone: 2 of 2 tasks.")).to_be_visible()
    found = {(t.completed, t.priority, t.due_date, t.list, t.deleted_at, t.owner.username, *t.tags) for t in tasks.all()}  # fmt: skip
    assert found == {(False, 0, None, None, None, "dave")}


def test_a_csv_with_a_bad_row_is_imported_without_it(
    staff_page: Page, words: str
) -> None:
    from tasks.models import Task

    page = staff_page
    page.goto(LIST)
    page.get_by_role("link", name="Import").click()
    assert accessible(page) == []
    rows = f"title,priority\n{words} Bread,high\n{words} <b>bad</b>,huge\n"
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    page.get_by_label("File:").set_input_files(file)  # type: ignore[arg-type]  # as documented
    page.get_by_label("Owner of the tasks:").fill("dave")
    page.get_by_role("button", name="Show what it would do").click()

    expect(page.get_by_text("1 task will be added")).to_be_visible()
    expect(page.get_by_text("Line 3: Unknown priority 'huge'")).to_be_visible()
    assert accessible(page) == []
    assert Task.objects.filter(title__startswith=words).count() == 2
    page.get_by_role("button", name="Import the others").click()

    expect(page.get_by_text("1 task imported.")).to_be_visible()
    assert accessible(page) == []
    assert Task.objects.get(title=f"{words} Bread").priority == 3


def test_the_shown_tasks_are_downloaded(staff_page: Page, words: str) -> None:
    page = staff_page
    page.goto(f"{LIST}?q={words}")
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("2 tasks, as the list shows")).to_be_visible()
    assert accessible(page) == []

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    content = download.value.path().read_text("utf-8-sig")
    assert content.count(words) == 2

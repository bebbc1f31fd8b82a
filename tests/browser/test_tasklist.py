"""The list of tasks as staff use it: its buttons, its keys, and a line that adds a task."""

from playwright.sync_api import Page, expect

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, make_task
from tests.support.browsers import Console, accessible

LIST = "/admin/tasks/task/"


def mine(*titles: str) -> list[Task]:
    """New tasks of carol's: the last one is the first of the list."""
    carol = User.objects.get(username="carol")
    return [make_task(carol, title) for title in titles]


def test_a_task_is_completed_without_leaving_the_page(
    stored: None, staff_page: Page, console: Console
) -> None:
    [first, second] = mine("First of two", "<b>Second</b>")
    staff_page.goto(LIST)
    staff_page.evaluate("window.stayed = true")
    button = staff_page.get_by_role("button", name="Completed: <b>Second</b>")

    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    expect(staff_page.get_by_role("status")).to_have_text("Completed “<b>Second</b>”.")
    second.refresh_from_db()
    assert second.completed

    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")

    Task.objects.filter(pk=first.pk).remove(BY)
    console.expect("404")
    staff_page.get_by_role("button", name="Completed: First of two").click()
    expect(staff_page.get_by_role("status")).to_contain_text("did not work")
    assert staff_page.evaluate("window.stayed")


def test_keys_move_select_open_and_help(stored: None, staff_page: Page) -> None:
    mine("Below", "Above")
    staff_page.goto(LIST)
    keyboard = staff_page.keyboard

    keyboard.press("j")
    expect(staff_page.get_by_role("link", name="Above", exact=True)).to_be_focused()
    keyboard.press("j")
    expect(staff_page.get_by_role("link", name="Below", exact=True)).to_be_focused()
    keyboard.press("x")
    expect(staff_page.locator("#result_list tr.selected")).to_have_count(1)
    keyboard.press("k")
    keyboard.press("k")
    expect(staff_page.get_by_role("link", name="Above", exact=True)).to_be_focused()

    keyboard.press("/")
    keyboard.type("jkxe?/")
    expect(staff_page.locator("#searchbar")).to_have_value("jkxe?/")

    staff_page.get_by_role("link", name="Above", exact=True).focus()
    keyboard.press("?")
    dialog = staff_page.get_by_role("dialog", name="Keys of this list")
    expect(dialog).to_be_visible()
    assert accessible(staff_page) == []
    dialog.get_by_role("checkbox").uncheck()
    keyboard.press("Escape")
    keyboard.press("?")
    expect(dialog).to_be_hidden()
    staff_page.get_by_role("button", name="Keys").click()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Close").click()

    staff_page.get_by_role("link", name="Below", exact=True).focus()
    keyboard.press("x")  # What is selected would be lost.
    keyboard.press("e")
    expect(staff_page.get_by_label("Title:")).to_have_value("Below")


def test_a_line_adds_a_task_and_the_next_line_can_follow(
    stored: None, staff_page: Page
) -> None:
    staff_page.goto(LIST)
    line = staff_page.get_by_label("Add a task in one line")

    line.fill("Buy <i>oats</i> !urgent due:today")
    line.press("Enter")

    expect(line).to_be_focused()
    row = staff_page.locator("#result_list tr", has_text="Buy <i>oats</i>")
    expect(row).to_contain_text("urgent")
    expect(row).to_contain_text("due today")

    line.fill("Buy rye !never")
    line.press("Enter")
    expect(line).to_have_value("Buy rye !never")
    expect(staff_page.get_by_text("There is no priority “never”")).to_be_in_viewport()


def test_escape_closes_a_panel(staff_page: Page) -> None:
    staff_page.goto(LIST)
    opener = staff_page.get_by_text("Columns", exact=True)
    opener.click()
    expect(staff_page.get_by_role("button", name="Show these columns")).to_be_visible()

    staff_page.keyboard.press("Escape")

    expect(staff_page.get_by_role("button", name="Show these columns")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_rows_begin_in_the_upper_half_of_a_small_screen(
    stored: None, staff_page: Page
) -> None:
    mine("High up")
    staff_page.set_viewport_size({"width": 1300, "height": 800})
    staff_page.goto(f"{LIST}?completed__exact=0")

    expect(staff_page.get_by_role("heading", name="Tasks", exact=True)).to_be_visible()
    box = staff_page.locator("#result_list tbody tr").first.bounding_box()
    assert box and box["y"] < 420

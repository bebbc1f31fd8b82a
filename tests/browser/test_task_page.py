"""The page of a task: from one to the next, pickers, and earlier values."""

from playwright.sync_api import Page, expect

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, make_task
from tests.support.browsers import accessible


def test_staff_walk_the_list_pick_a_time_and_restore_a_title(
    staff_page: Page, stored: None
) -> None:
    owner = User.objects.create(username="walker")
    tasks = [make_task(owner, f"Walk {number}") for number in range(3)]
    Task.objects.filter(pk=tasks[1].pk).edit(BY, title="Walk on")
    staff_page.goto(f"/admin/tasks/task/?owner={owner.pk}")

    staff_page.get_by_role("link", name="Walk 2").click()
    expect(staff_page.get_by_role("link", name="Previous")).to_have_count(0)
    staff_page.get_by_role("link", name="Next").click()

    title = staff_page.get_by_label("Title:")
    expect(title).to_have_value("Walk on")
    assert accessible(staff_page) == []
    staff_page.get_by_label("Pick a day and a time").fill("2026-12-31T17:30")
    expect(staff_page.get_by_label("Due at:")).to_have_value("2026-12-31 17:30")
    # Just above the buttons, which stay in view.
    staff_page.get_by_label("Recurrence:").evaluate(
        "it => scrollBy(0, it.getBoundingClientRect().bottom + 62 - innerHeight)"
    )
    staff_page.get_by_label("Recurrence:").fill("FREQ=DAILY;COUNT=3")
    dates = "Next: 2027-01-01 17:30, 2027-01-02 17:30, then it ends."
    expect(staff_page.get_by_text(dates)).to_be_visible()
    shown, bar = (
        where.bounding_box()
        for where in (staff_page.get_by_text(dates), staff_page.locator(".submit-row"))
    )
    assert shown and bar
    assert shown["y"] + shown["height"] <= bar["y"], (
        "above the buttons, which are in front"
    )
    staff_page.get_by_label("Due at:").fill("")
    staff_page.get_by_label("Recurrence:").fill("")
    expect(staff_page.get_by_text(dates)).to_have_count(0)
    staff_page.get_by_role("button", name="Restore “Walk 1”").click()
    expect(title).to_have_value("Walk 1")

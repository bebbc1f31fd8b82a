"""What staff do in the admin."""

from playwright.sync_api import Page, expect


def test_staff_add_a_task(staff_page: Page) -> None:
    staff_page.goto("/admin/tasks/task/add/")
    staff_page.get_by_label("Title:").fill("Buy oat milk")
    staff_page.get_by_role("button", name="Save", exact=True).click()

    expect(staff_page.get_by_text("was added successfully")).to_be_visible()

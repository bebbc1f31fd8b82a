"""What staff do in the admin."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.support.admin import SCRIPT
from tests.support.browsers import accessible, overflowing
from tests.support.servers import Server

LIST = "/admin/tasks/task/"


def make_task(server: Server, title: str, **members: Any) -> str:
    """A task of alice's; returns its path in the API."""
    answer = server.send("POST", "/api/tasks", {"title": title, **members})
    assert answer.status == 201, answer.body
    return f"/api/tasks/{answer.json()['id']}"


def admin_page(path: str, page: str = "change") -> str:
    return f"{LIST}{path.rsplit('/', 1)[-1]}/{page}/"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_staff_add_a_task(staff_page: Page) -> None:
    staff_page.goto(f"{LIST}add/")
    staff_page.get_by_label("Title:").fill("Buy oat milk")
    save(staff_page)

    expect(staff_page.get_by_text("was added successfully")).to_be_visible()


def test_staff_meet_an_edit_conflict_and_merge(
    staff_page: Page, server: Server
) -> None:
    path = make_task(server, "Paint the shed")
    staff_page.goto(admin_page(path))
    title = staff_page.get_by_label("Title:")
    title.fill("Paint the shed green")
    server.send("PATCH", path, {"title": "Paint the shed red"})

    save(staff_page)

    expect(staff_page.get_by_text("Nothing is saved yet")).to_be_visible()
    expect(staff_page.get_by_text("to “Paint the shed red”")).to_be_visible()
    expect(title).to_have_value("Paint the shed green")
    save(staff_page)
    expect(staff_page.get_by_text("was changed successfully")).to_be_visible()
    assert server.send("GET", path).json()["title"] == "Paint the shed green"


def test_staff_complete_a_task_in_the_list(staff_page: Page, server: Server) -> None:
    path = make_task(server, "Sweep the chimney")
    staff_page.goto(f"{LIST}?q=chimney")
    row = staff_page.get_by_role("row").filter(has_text="Sweep the chimney")

    row.get_by_role("button", name="Complete").click()

    expect(row.locator(".completion")).to_have_attribute("aria-pressed", "true")
    assert staff_page.url.endswith("?q=chimney")
    assert server.send("GET", path).json()["completed"]


def test_a_title_with_markup_stays_text(staff_page: Page, server: Server) -> None:
    """As HTML it would have errors on the console: no image, and a script refused."""
    page = staff_page
    title = f"zebra {SCRIPT}<img src=x onerror=alert(1)>"
    path = make_task(server, title, location=title)
    server.send("PATCH", path, {"title": f"{title} 2"})

    page.goto(f"{LIST}?q=zebra")
    row = page.get_by_role("row").filter(has_text=title)
    row.get_by_role("button", name="Complete").click()
    expect(row.locator(".completion")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(title).first).to_be_visible()
    for where in ("change", "history", "delete"):
        page.goto(admin_page(path, where))
        expect(page.get_by_text(title).first).to_be_visible()
    page.goto("/admin/")


def test_the_numbers_of_the_first_page_lead_to_lists(
    staff_page: Page, server: Server
) -> None:
    make_task(server, "Count me", due_date="2020-01-01")
    staff_page.goto("/admin/")
    figures = staff_page.get_by_role("list", name="Tasks").get_by_role("link")
    addresses = [figure.get_attribute("href") for figure in figures.all()]
    assert addresses

    for address in addresses:
        response = staff_page.goto(str(address))
        assert response and response.ok, address
        expect(staff_page.get_by_role("heading", level=1)).to_be_visible()


def test_staff_choose_the_owner_of_an_import_at_its_preview(
    staff_page: Page,
) -> None:
    page = staff_page
    page.goto(f"{LIST}import/")
    content = b"external_id,title\nlamp-1,Buy a lamp\n"
    page.get_by_label("File:").set_input_files(
        {"name": "tasks.csv", "mimeType": "text/csv", "buffer": content}
    )
    show = page.get_by_role("button", name="Show what it would do")
    # The page while the response is awaited.
    hold = "event => event.preventDefault(), {once: true}"
    page.evaluate(f"document.addEventListener('submit', {hold})")
    show.click()
    expect(page.get_by_role("status")).to_contain_text("The file is read")
    show.click()
    row = page.get_by_role("row").filter(has_text="Buy a lamp")
    expect(row).to_contain_text("It names no owner; choose an owner.")
    assert accessible(page) == []
    assert overflowing(page) == []

    page.get_by_label("Owner of the tasks:").fill("carol")
    show.click()
    expect(row).to_contain_text("added")
    expect(page.get_by_text("1 task of carol will be added.")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_text("1 task imported.")).to_be_visible()
    page.goto(f"{LIST}?q=lamp")
    expect(page.get_by_role("row").filter(has_text="Buy a lamp")).to_contain_text(
        "carol"
    )

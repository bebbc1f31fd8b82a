"""Every page, opened by a person: no error on the console, nothing for axe-core, nothing
wider than its place on a desk, on a phone or at 320 pixels."""

from playwright.sync_api import Page, expect

from taskproject.accounts.models import ApiToken, Invitation, User
from tasks.models import TaskList, Webhook
from tests.browser.conftest import PASSWORD, PATIENCE
from tests.conftest import BY, make_task
from tests.support.browsers import accessible, overflowing
from tests.support.servers import Server

DOCS = "/api/docs"
PUBLIC = ["/", DOCS, f"{DOCS}?document=auth", "/admin/login/"]
ADMIN = [
    "/admin/",
    "/admin/password_change/",
    "/admin/second-factor/",
    "/admin/accounts/apitoken/",
    "/admin/accounts/apitoken/add/",
    "/admin/accounts/invitation/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
    "/admin/auth/group/",
    "/admin/tasks/",
    "/admin/tasks/tag/",
    "/admin/tasks/task/",
    "/admin/tasks/task/add/",
    "/admin/tasks/task/import/",
    "/admin/tasks/tasklist/",
    "/admin/tasks/tasklist/add/",
    "/admin/tasks/webhook/",
]


def test_public_pages(page: Page) -> None:
    assert problems(page, PUBLIC) == {}


def test_the_docs_page_calls_an_operation_with_a_token(
    page: Page, server: Server
) -> None:
    page.goto(DOCS)
    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("auth-bearer-value").fill(server.token)
    page.get_by_label("Apply credentials").first.click()
    page.get_by_role("button", name="Close").last.click()

    operation = page.locator("#operations-accounts-get_me")
    operation.click()
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table")
    expect(answer).to_contain_text('"username": "alice"')
    assert accessible(page) == []


def test_pages_of_the_admin(staff_page: Page, stored: None) -> None:
    long = User.objects.create_user(
        "somebody-of-an-organisation@mail.example.com", password=PASSWORD
    )
    home = TaskList.objects.add(BY, owner_id=long.pk, name="Donaudampfschiff" * 3)
    make_task(long, "Donaudampfschiffahrt" * 4, list_id=home.pk, tags=["tag" * 15])
    ApiToken(user=long, name="A" * 40).issue()
    Invitation.objects.invite(f"{'a' * 60}@example.com", long)
    Webhook.objects.issue(long.pk, url=f"https://{'a' * 60}.example.com/")
    pages = [*ADMIN, f"/admin/accounts/user/{long.pk}/change/"]
    assert problems(staff_page, pages) == {}


def test_the_name_of_the_section_is_in_sight_on_a_phone(staff_page: Page) -> None:
    staff_page.set_viewport_size({"width": 390, "height": 844})

    staff_page.goto("/admin/accounts/apitoken/")

    sections = staff_page.get_by_role("navigation", name="Sections")
    expect(sections.get_by_role("link", name="API tokens")).to_be_in_viewport(ratio=1)


def problems(page: Page, paths: list[str]) -> dict[str, object]:
    """What is wrong with each page, beside what it writes to the console."""
    found: dict[str, object] = {}
    for path in paths:
        response = page.goto(path)
        # Swagger UI reads the document first, and takes seconds of CPU for it.
        if path.startswith(DOCS):
            expect(page.locator(".opblock").first).to_be_visible(timeout=3 * PATIENCE)
        if response is None or response.status != 200:
            found[path] = response
        elif wrong := accessible(page) + overflowing(page):
            found[path] = wrong
    return found

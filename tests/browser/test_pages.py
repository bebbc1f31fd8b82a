"""Every page, opened by a person: no error on the console, and nothing for axe-core."""

from playwright.sync_api import Page, expect

from tests.support.browsers import accessible

PUBLIC = ["/", "/api/docs", "/admin/login/"]
ADMIN = [
    "/admin/",
    "/admin/password_change/",
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
    "/admin/tasks/tasklist/",
    "/admin/tasks/tasklist/add/",
]
#: In which axe-core finds nothing; to become all of them.
ACCESSIBLE = {"/", "/admin/"}


def test_public_pages(page: Page) -> None:
    assert problems(page, PUBLIC) == {}


def test_the_docs_page_shows_the_operations(page: Page) -> None:
    page.goto("/api/docs")

    expect(page.get_by_text("/api/tasks", exact=True).first).to_be_visible()


def test_pages_of_the_admin(staff_page: Page) -> None:
    assert problems(staff_page, ADMIN) == {}


def problems(page: Page, paths: list[str]) -> dict[str, object]:
    """What is wrong with each page, beside what it writes to the console."""
    found: dict[str, object] = {}
    for path in paths:
        response = page.goto(path)
        if response is None or response.status != 200:
            found[path] = response
        elif path in ACCESSIBLE and (violations := accessible(page)):
            found[path] = violations
    return found

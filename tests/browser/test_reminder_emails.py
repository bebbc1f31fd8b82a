"""The e-mail of a reminder as a mail program shows it, and the page that ends them."""

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from taskproject.accounts.models import User
from tasks.unsubscribe import path_of
from tests.support.browsers import accessible


@pytest.fixture
def link(stored: None) -> str:
    """The path of the link of a user who has chosen e-mails."""
    return path_of(User.objects.create_user("nora", reminder_emails=True).pk)


def test_a_person_reads_one_and_ends_them(page: Page, link: str) -> None:
    context = {"title": "Rent", "due": "2990-12-31", "unsubscribe": link, "late": True}
    page.goto(link)
    assert accessible(page) == []
    page.get_by_role("button", name="End reminders by e-mail").click()

    expect(page.get_by_role("status")).to_contain_text("no reminders by e-mail")
    assert accessible(page) == []
    assert not User.objects.get(username="nora").reminder_emails
    page.goto("about:blank")  # without the policy of our pages
    page.set_content(render_to_string("emails/reminder.html", context))
    expect(page.get_by_role("heading")).to_have_text("Rent")
    assert accessible(page) == []

"""Staff sign in to the admin with a second factor."""

import time

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from playwright.sync_api import Page, expect

from taskproject.accounts.models import User
from tests.browser.conftest import PASSWORD, NewPage, sign_in
from tests.support.browsers import accessible
from tests.support.people import totp
from tests.support.servers import Server

PERIOD = 30  # seconds that a code is valid


def current_code(page: Page, secret: str) -> str:
    """A code that is valid for three more seconds."""
    left = PERIOD - time.time() % PERIOD
    if left < 3:
        page.wait_for_timeout(left * 1_000)
    return totp(secret)


@pytest.mark.usefixtures("stored")
def test_staff_sign_in_with_a_code(new_page: NewPage) -> None:
    fred = User.objects.create_superuser("fred", password=PASSWORD)
    secret = generate_totp_secret()
    TOTP.activate(fred, secret)
    page = new_page()

    sign_in(page, "fred")
    code = page.get_by_label("Code of your second factor")
    code.fill("000000")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errornote")).to_be_visible()
    page.goto("/admin/")
    expect(page.get_by_label("Username")).to_be_visible()
    sign_in(page, "fred")
    code.fill(current_code(page, secret))
    page.get_by_role("button", name="Log in").click()

    expect(page.locator("#user-tools")).to_contain_text("fred")


@pytest.mark.usefixtures("stored")
def test_staff_set_up_a_second_factor(new_page: NewPage) -> None:
    User.objects.create_superuser("gina", password=PASSWORD)
    page = new_page()
    sign_in(page, "gina")
    page.get_by_role("link", name="Second factor").click()

    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code that the app shows").fill(current_code(page, secret))
    page.get_by_role("button", name="Turn on").click()
    recovery = page.locator("#recovery-codes code").first.inner_text()
    page.get_by_role("button", name="Log out").click()
    sign_in(page, "gina")
    page.get_by_label("Code of your second factor").fill(recovery)
    page.get_by_role("button", name="Log in").click()

    expect(page.locator("#user-tools")).to_contain_text("gina")


@pytest.mark.usefixtures("stored")
def test_staff_sign_in_with_a_passkey(new_page: NewPage, server: Server) -> None:
    User.objects.create_superuser("hilda", password=PASSWORD)
    page = new_page(base_url=f"http://localhost:{server.port}")
    authenticator = page.context.new_cdp_session(page)
    authenticator.send("WebAuthn.enable")
    shape = {"protocol": "ctap2", "transport": "internal", "isUserVerified": True}
    shape |= {"hasUserVerification": True, "automaticPresenceSimulation": True}
    authenticator.send("WebAuthn.addVirtualAuthenticator", {"options": shape})
    sign_in(page, "hilda")
    page.get_by_role("link", name="Second factor").click()

    page.get_by_label("Name of the passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#recovery-codes")).to_be_visible()
    assert accessible(page) == []
    page.get_by_role("button", name="Log out").click()
    sign_in(page, "hilda")
    assert accessible(page) == []
    page.get_by_role("button", name="Use a passkey").click()

    expect(page.locator("#user-tools")).to_contain_text("hilda")

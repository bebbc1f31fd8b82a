"""SESSION_COOKIE_SAMESITE, and what None needs besides."""

import pytest

from tests.unit.test_settings import load, refusal

FRONTEND = "https://tasks.example.org"
ABROAD = {
    "SESSION_COOKIE_SAMESITE": "None",
    "HTTPS": "on",
    "CORS_ALLOW_CREDENTIALS": "on",
    "CORS_ALLOWED_ORIGINS": FRONTEND,
    "CSRF_TRUSTED_ORIGINS": FRONTEND,
}
NAMES = (
    "SESSION_COOKIE_SAMESITE",
    "CSRF_COOKIE_SAMESITE",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
)


def test_a_frontend_on_another_site_may_use_the_session() -> None:
    assert load(*NAMES, **ABROAD) == ["None", "None", True, True]


@pytest.mark.parametrize(("value", "samesite"), [("", "Lax"), ("strict", "Strict")])
def test_both_cookies_have_the_value_of_the_setting(value: str, samesite: str) -> None:
    found = load(*NAMES[:2], SESSION_COOKIE_SAMESITE=value)

    assert found == [samesite, samesite]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS", "off"),
        ("CORS_ALLOW_CREDENTIALS", "off"),
        ("CORS_ALLOWED_ORIGINS", ""),
        ("CSRF_TRUSTED_ORIGINS", ""),
        ("CSRF_TRUSTED_ORIGINS", "https://other.example.org"),
    ],
)
def test_none_without_what_it_needs_is_refused_by_name(
    variable: str, value: str
) -> None:
    said = refusal(**ABROAD | {variable: value})

    assert "SESSION_COOKIE_SAMESITE is None" in said
    assert variable in said


def test_another_value_is_refused() -> None:
    assert "SESSION_COOKIE_SAMESITE" in refusal(SESSION_COOKIE_SAMESITE="sometimes")


def test_pages_that_send_no_credentials_may_read_all_headers() -> None:
    [listed] = load("CORS_EXPOSE_HEADERS", CORS_ALLOW_CREDENTIALS="on")

    assert {"ETag", "X-CSRFToken"} <= {*listed}
    assert load("CORS_EXPOSE_HEADERS", CORS_ALLOW_CREDENTIALS="off") == [["*"]]

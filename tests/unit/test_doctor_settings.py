"""What `manage.py doctor` says of the settings"""

import re

from pytest_django import Settings

from taskproject.doctor import Options, check_settings


def test_https_that_is_off_is_one_line_that_names_the_variable(
    settings: Settings,
) -> None:
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SECURE_HSTS_SECONDS = 0

    said = "\n".join(message for _, message in check_settings(Options()))

    assert said.count("HTTPS=on") == 1
    assert not re.search("SECURE|security.W0(04|08|12|16)", said)

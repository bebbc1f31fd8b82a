"""An app and a browser in which people sign up and in."""

import re
import time
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail

from tests.conftest import ApiClient

PASSWORD = "correct-horse-battery"
ANNA = {"email": "anna@example.com", "password": PASSWORD}


class App(ApiClient):
    """An app: keeps the session token that it is given, and no cookies."""

    session_token = ""
    path = "/api/auth/app/v1"

    def __init__(self) -> None:
        super().__init__("")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if self.session_token:
            headers["X-Session-Token"] = self.session_token
        answer = self.send(method, self.path + path, body, headers=headers)
        assert not self.cookies
        if answer.content and answer.headers["Content-Type"] == "application/json":
            meta = answer.json().get("meta", {})
            self.session_token = meta.get("session_token", self.session_token)
        return answer

    def api(self, method: str, path: str, body: Any = None) -> Any:
        token = {"X-Session-Token": self.session_token}
        return self.send(method, path, body, headers=token)


class Browser(ApiClient):
    """A page: has cookies, and sends the CSRF token that it was given last."""

    path = "/api/auth/browser/v1"

    def __init__(self) -> None:
        super().__init__("")
        self.handler.enforce_csrf_checks = True
        self.csrf = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.send(
            method, self.path + path, body, headers={"X-CSRFToken": self.csrf} | headers
        )
        self.csrf = answer.headers["X-CSRFToken"]
        return answer

    def api(self, method: str, path: str, body: Any = None) -> Any:
        return self.send(method, path, body, headers={"X-CSRFToken": self.csrf})


def code_of(message: mail.EmailMessage) -> str:
    found = re.search(
        r"^([A-Z0-9]{3,}(-[A-Z0-9]{3,})*)$", str(message.body), re.MULTILINE
    )
    assert found, message.body
    return found[1]


def flows(answer: Any) -> list[str]:
    """Those that are pending."""
    assert answer.status_code == 401, answer.content
    return [it["id"] for it in answer.json()["data"]["flows"] if it.get("is_pending")]


def signed_in(client: "App | Browser") -> Any:
    answer = client.call("POST", "/auth/login", ANNA)
    assert answer.status_code == 200, answer.content
    return answer


def totp(secret: str, ahead: int = 0) -> str:
    """The code of now, by a clock that is some 30 seconds ahead."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead)))

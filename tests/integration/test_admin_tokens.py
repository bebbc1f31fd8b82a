"""Tokens in the admin: made, shown once, and revoked."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import ApiToken, User
from tests.conftest import ApiClient, make_token
from tests.support.admin import ESCAPED, SCRIPT, as_editor, text

LIST = "/admin/accounts/apitoken/"
ADD = "/admin/accounts/apitoken/add/"


def fields(user: User, /, **changes: Any) -> dict[str, Any]:
    """What the add form sends."""
    return {
        "user": user.pk,
        "name": "phone",
        "scopes": "read write",
        "expires_at_0": "",
        "expires_at_1": "",
    } | changes


def shown_secret(response: Any) -> str:
    (secret,) = re.findall(r"tk_[A-Za-z0-9_-]{43}", text(response))
    assert isinstance(secret, str)
    return secret


def change(token: ApiToken) -> str:
    return f"{LIST}{token.pk}/change/"


def me(secret: str) -> int:
    """The status that the API answers to this token."""
    status: int = ApiClient(secret).get("/api/me").status_code
    return status


def revoke(client: Client, *tokens: ApiToken, across: bool = False) -> Any:
    return client.post(
        LIST,
        {
            "action": "revoke",
            "_selected_action": [token.pk for token in tokens],
            "select_across": "1" if across else "0",
            "index": "0",
        },
        follow=True,
    )


def as_dora(*permissions: str) -> Client:
    return as_editor(User.objects.create(username="dora"), *permissions)


# Making


@pytest.mark.parametrize("button", ["_save", "_addanother", "_continue"])
def test_the_page_after_adding_alone_shows_a_secret_that_works(
    staff: Client, alice: User, button: str
) -> None:
    answer = staff.post(ADD, fields(alice) | {button: "Save"})

    secret = shown_secret(answer)
    assert (answer.status_code, me(secret)) == (200, 200)
    assert "no-store" in answer.headers["Cache-Control"]
    token = ApiToken.objects.get()
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert token.prefix == secret[:11]
    assert secret not in str(ApiToken.objects.values())
    assert secret not in str(LogEntry.objects.values())
    assert secret not in str([s.get_decoded() for s in Session.objects.all()])
    for page in ("", "{pk}/change/", "{pk}/history/", "{pk}/delete/"):
        later = text(staff.get(LIST + page.format(pk=token.pk)))
        assert "phone" in later
        assert secret not in later and token.digest not in later


def test_the_add_form_keeps_what_was_asked_for(staff: Client, alice: User) -> None:
    given = {"scopes": "read", "expires_at_0": "2099-01-31", "expires_at_1": "18:00"}
    staff.post(ADD, fields(alice, **given))

    token = ApiToken.objects.get()
    assert (token.user, token.name, token.scopes) == (alice, "phone", "read")
    assert token.expires_at is not None
    assert token.expires_at.isoformat() == "2099-01-31T18:00:00+00:00"
    assert (token.revoked_at, token.last_used_at) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 101},
        {"user": ""},
        {"scopes": ""},
        {"scopes": "admin"},
        {"expires_at_0": "2099-02-31", "expires_at_1": "00:00"},
    ],
)
def test_a_refused_form_makes_no_token(
    staff: Client, alice: User, changes: dict[str, str]
) -> None:
    answer = staff.post(ADD, fields(alice, **changes))

    assert answer.status_code == 200
    assert answer.context["errors"]
    assert "tk_" not in text(answer)
    assert not ApiToken.objects.exists()


def test_a_digest_cannot_be_chosen(staff: Client, alice: User) -> None:
    staff.post(ADD, fields(alice, digest="0" * 64, prefix="tk_chosen"))

    token = ApiToken.objects.get()
    assert token.digest != "0" * 64
    assert token.prefix != "tk_chosen"


def test_the_name_of_a_token_is_escaped(staff: Client, alice: User) -> None:
    issued = staff.post(ADD, fields(alice, name=SCRIPT))

    token = ApiToken.objects.get()
    for page in (issued, staff.get(LIST), staff.get(change(token))):
        assert ESCAPED in text(page)
        assert SCRIPT not in text(page)


# Editing


def test_the_name_and_the_expiry_can_be_changed(staff: Client, alice: User) -> None:
    make_token(alice)
    token = ApiToken.objects.get()

    given = {"name": "laptop", "expires_at_0": "2099-01-31", "expires_at_1": "18:00"}
    answer = staff.post(change(token), given)

    token.refresh_from_db()
    assert answer.status_code == 302
    assert token.name == "laptop"
    assert token.expires_at is not None
    assert token.expires_at.year == 2099


def test_the_user_the_scopes_and_the_secret_cannot_be_changed(
    staff: Client, alice: User, bob: User
) -> None:
    secret = make_token(alice, "read")
    token = ApiToken.objects.get()

    forged = {"user": bob.pk, "scopes": "read write", "digest": "0" * 64}
    forged |= {"prefix": "tk_chosen", "revoked_at": "2020-01-01", "name": "laptop"}
    staff.post(change(token), fields(bob) | forged)

    edited = ApiToken.objects.get()
    assert (edited.user, edited.scopes, edited.name) == (alice, "read", "laptop")
    assert (edited.prefix, edited.digest) == (token.prefix, token.digest)
    assert edited.revoked_at is None
    assert me(secret) == 200


def test_an_edit_writes_only_what_was_changed(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    make_token(alice)
    token = ApiToken.objects.get()

    staff.post(change(token), fields(alice, name="laptop"))

    assert _written_columns(queries) == {"name"}


def test_saving_the_form_as_it_was_opened_writes_nothing(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    make_token(alice)
    token = ApiToken.objects.get()

    answer = staff.post(change(token), fields(alice, name="test"))

    assert answer.status_code == 302
    assert _written_columns(queries) == set()


# Revoking


def test_a_revoked_token_alone_stops_working_at_once(
    staff: Client, alice: User
) -> None:
    secret = make_token(alice)
    token, other = ApiToken.objects.get(), make_token(alice)
    assert me(secret) == 200

    answer = revoke(staff, token)

    assert "Revoked 1 token" in text(answer)
    assert (me(secret), me(other)) == (401, 200)
    token.refresh_from_db()
    first = token.revoked_at
    revoke(staff, token)
    token.refresh_from_db()
    assert first == token.revoked_at is not None


def test_revoking_across_all_pages_reaches_every_token(
    staff: Client, alice: User
) -> None:
    for _ in range(105):
        make_token(alice)

    revoke(staff, ApiToken.objects.latest("pk"), across=True)

    assert not any(token.usable for token in ApiToken.objects.all())


@pytest.mark.parametrize("across", [False, True])
def test_who_may_only_view_cannot_forge_a_revocation(alice: User, across: bool) -> None:
    secret = make_token(alice)

    revoke(
        as_dora("view_apitoken", "add_apitoken"), ApiToken.objects.get(), across=across
    )

    assert me(secret) == 200


def test_who_may_change_tokens_may_revoke_them(alice: User) -> None:
    secret = make_token(alice)

    revoke(as_dora("view_apitoken", "change_apitoken"), ApiToken.objects.get())

    assert me(secret) == 401


def test_who_may_not_add_gets_no_secret(alice: User) -> None:
    client = as_dora("view_apitoken", "change_apitoken", "delete_apitoken")

    answer = client.post(ADD, fields(alice))

    assert answer.status_code == 403
    assert "tk_" not in text(answer)
    assert not ApiToken.objects.exists()


def test_who_may_only_view_cannot_forge_an_edit(alice: User) -> None:
    make_token(alice)

    answer = as_dora("view_apitoken").post(
        change(ApiToken.objects.get()), fields(alice, name="forged")
    )

    assert answer.status_code == 403
    assert ApiToken.objects.get().name == "test"


def test_a_deleted_token_stops_working_at_once(staff: Client, alice: User) -> None:
    secret = make_token(alice)

    staff.post(f"{LIST}{ApiToken.objects.get().pk}/delete/", {"post": "yes"})

    assert me(secret) == 401


# Finding


def test_the_list_says_which_tokens_work(staff: Client, alice: User) -> None:
    make_token(alice)
    make_token(alice, expires_at=timezone.now() - timedelta(days=1))
    make_token(alice, revoked_at=timezone.now())

    page = text(staff.get(LIST))

    states = re.findall(r'<td class="field-state">(\w+)</td>', page)
    assert states == ["revoked", "expired", "active"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "bob"}, 1),
        ({"q": "test"}, 2),
        ({"q": "nothing"}, 0),
        ({"scopes__exact": "read"}, 1),
        ({"revoked_at__isnull": "True"}, 1),
        ({"created_at__year": "2000"}, 0),
    ],
)
def test_it_searches_and_filters(
    staff: Client, alice: User, bob: User, query: dict[str, str], found: int
) -> None:
    make_token(alice, "read")
    make_token(bob, revoked_at=timezone.now())

    assert staff.get(LIST, query).context["cl"].result_count == found


def test_a_token_is_found_by_its_prefix(staff: Client, alice: User) -> None:
    secret = make_token(alice)
    make_token(alice)

    page = staff.get(LIST, {"q": secret[:11]})

    assert page.context["cl"].result_count == 1


def _written_columns(queries: CaptureQueriesContext) -> set[str]:
    """The columns of tokens that the captured UPDATEs set."""
    return {
        column
        for query in queries.captured_queries
        if query["sql"].startswith('UPDATE "accounts_apitoken" SET ')
        for column in re.findall(r'"(\w+)" = ', query["sql"].split(" WHERE ")[0])
    }

"""What an address may ask the admin's lists for: no more than their filters would."""

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tests.conftest import make_task, make_token
from tests.support.admin import LIST, LISTS, TAGS
from tests.support.rows import make_list

USERS = "/admin/accounts/user/"
TOKENS = "/admin/accounts/apitoken/"
CHOICES = "/admin/tasks/task/choices/"


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("path", "query"),
    [
        (LIST, "title__regex=("),
        (LIST, "title__iregex=["),
        (LIST, "tags__contains=["),
        (LIST, "tags__0__x=y"),
        (LIST, "labels__name=x"),
        (LIST, "list__owner__password__startswith=a"),
        (LISTS, "name__regex=("),
        (LISTS, "owner__password__startswith=a"),
        (TAGS, "name__regex=("),
        (TAGS, "tasks__title=x"),
        (USERS, "username__regex=("),
        (USERS, "password__startswith=a"),
        (USERS, "date_joined__year=99999999999999999999999"),
        (USERS, "date_joined__month=x"),
        (TOKENS, "created_at__year=9999"),
        (TOKENS, "created_at__year=10000"),
        (TOKENS, "name__regex=("),
        (TOKENS, "digest__startswith=a"),
        (TOKENS, "user__password__startswith=a"),
    ],
)
def test_what_no_filter_asks_is_refused(
    staff: Client, alice: User, path: str, query: str
) -> None:
    _one_of_each(alice)

    assert staff.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (LIST, "parent__id__exact=abc"),
        (LIST, "parent__id__exact=99999999999999999999999"),
        (LIST, "due_at__year=99999999999999999999999"),
        (LIST, "due_date__gte=x"),
        (LIST, "version=99999999999999999999999"),
        (LIST, "labels=abc"),
        (LIST, "priority=99999999999999999999999"),
        (LIST, "tag=1&tag=abc"),
        (LISTS, "archived__exact=x"),
        (LISTS, "owner=abc"),
        (LISTS, "tasks=abc"),
        (TAGS, "tasks=abc"),
        (TAGS, "created_at__year=99999999999999999999999"),
        (TOKENS, "expires_at__gte=x"),
        (USERS, "date_joined__year=9998"),
        (TOKENS, "created_at__year=9998"),
        (TOKENS, "created_at__year=2026&created_at__month=13"),
    ],
)
def test_a_malformed_value_is_no_server_error(
    staff: Client, alice: User, path: str, query: str
) -> None:
    _one_of_each(alice)

    answer = staff.get(f"{path}?{query}", follow=True)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (USERS, "is_staff__exact=0&is_active__exact=1"),
        (TOKENS, "scopes__exact=read+write&revoked_at__isnull=True"),
        (TOKENS, "expires_at__gte=2026-01-01&expires_at__lt=2026-01-02"),
        (TOKENS, "created_at__year=2026&created_at__month=1&created_at__day=2"),
        (LISTS, "archived__exact=1"),
        (LIST, "completed__exact=0&priority__exact=3"),
        (LIST, "created_at__gte=2026-01-01&created_at__lt=2026-01-02"),
    ],
)
def test_what_the_filters_ask_is_answered(
    staff: Client, alice: User, path: str, query: str
) -> None:
    assert staff.get(f"{path}?{query}").status_code == 200


@pytest.mark.parametrize("field", ["owner", "list", "parent", "labels"])
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("term", "a\x00b", 400),
        ("term", "'\"\\%_(", 200),
        ("owner", "9" * 30, 200),
        ("page", "x", 404),
        ("page", "9" * 20, 404),
    ],
)
def test_an_autocomplete_answers_a_hostile_question(
    staff: Client, alice: User, field: str, name: str, value: str, status: int
) -> None:
    _one_of_each(alice)
    asked = {"app_label": "tasks", "model_name": "task", "field_name": field}

    assert staff.get(CHOICES, asked | {name: value}).status_code == status


def _one_of_each(owner: User) -> None:
    make_task(owner, tags=["home"], list_id=make_list(owner).pk)
    make_token(owner)

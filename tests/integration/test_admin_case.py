"""The admin finds names whatever the case of their letters, and not of ASCII's alone"""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from taskproject.accounts.models import User
from tests.conftest import make_task
from tests.support.rows import make_list


@pytest.fixture
def aerzte(alice: User) -> Any:
    User.objects.create_user("Ärztin")
    make_task(alice, "Ärzte anrufen", tags=["Ärzte"])
    return make_list(alice, "Ärzte")


@pytest.mark.parametrize("term", ["Ärzte", "ärzte", "ÄRZ", "rzte"])
def test_lists_and_tags_are_found(staff: Client, aerzte: Any, term: str) -> None:
    for kind in ("tasklist", "tag"):
        page = staff.get(f"/admin/tasks/{kind}/", {"q": term})
        assert [str(row) for row in page.context["cl"].result_list] == ["Ärzte"]


@pytest.mark.parametrize("term", ["Ärzt", "ärzt"])
def test_pickers_find_them(staff: Client, aerzte: Any, term: str) -> None:
    for field in ("owner", "list", "labels", "parent"):
        where = (
            "/admin/autocomplete/" if field == "owner" else "/admin/tasks/task/choices/"
        )
        answer = staff.get(
            where,
            {
                "app_label": "tasks",
                "model_name": "task",
                "field_name": field,
                "term": term,
            },
        )
        found = [one["text"] for one in json.loads(answer.content)["results"]]
        assert len(found) == 1 and found[0].startswith("Ärz")


def test_users_and_their_tasks_are_found(staff: Client, aerzte: Any) -> None:
    make_task(User.objects.get(username="Ärztin"), "Her own")

    page = staff.get("/admin/accounts/user/", {"q": "ärztin"})
    assert [str(row) for row in page.context["cl"].result_list] == ["Ärztin"]
    page = staff.get("/admin/tasks/task/", {"q": "ÄRZTIN"})
    assert [str(row) for row in page.context["cl"].result_list] == ["Her own"]


@pytest.mark.parametrize(
    ("term", "found"),
    [("100%", True), ("100_", False), ("1%0", False), ("a\\b", False)],
)
def test_nothing_in_a_term_is_a_wildcard(
    staff: Client, alice: User, term: str, found: bool
) -> None:
    make_list(alice, "100% done")

    page = staff.get("/admin/tasks/tasklist/", {"q": term})

    assert bool(page.context["cl"].result_list) is found


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it is SQLite's LIKE")
def test_like_is_sqls_for_all_letters(db: None) -> None:
    cases = [
        ("ärzte", "Ä%", 1), ("ärzte", "Ä", 0), ("a%b", "a\\%b", 1), ("axb", "a\\%b", 0),
        ("axb", "a_b", 1), ("a\nb", "a%b", 1), (None, "a", None), ("", "%", 1),
        ("STRASSE", "straße", 1),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        for value, pattern, expected in cases:
            cursor.execute("SELECT %s LIKE %s ESCAPE '\\'", [value, pattern])
            assert cursor.fetchone() == (expected,), (value, pattern)

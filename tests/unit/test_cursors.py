"""Cursors"""

from base64 import urlsafe_b64encode

import pytest

from taskproject.problems import Invalid
from tasks import cursors


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("task_id", [1, 9, 42, 10**6, 2**63 - 1])
def test_a_cursor_comes_back_as_its_task(task_id: int) -> None:
    assert cursors.decode(cursors.encode("before", task_id), "before") == task_id


@pytest.mark.parametrize("task_id", [1, 42, 2**63 - 1])
def test_a_cursor_needs_no_escaping_in_a_url(task_id: int) -> None:
    assert cursors.encode("before", task_id).replace("-", "").replace("_", "").isalnum()


def test_cursors_differ() -> None:
    assert len({cursors.encode("before", task_id) for task_id in range(1, 1000)}) == 999


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "nonsense",
        "é",
        "\x00",
        "\ud800",
        "a b",
        "42",
        encoded("before:0"),
        encoded("before:-1"),
        encoded("before:+1"),
        encoded("before: 1"),
        encoded("before:01"),
        encoded("before:1_0"),
        encoded("before:\u0661"),
        encoded("before:\u00b2"),
        encoded("before:"),
        encoded("before:x"),
        encoded("before:1:2"),
        encoded(f"before:{2**63}"),
        encoded("before:" + "9" * 5000),
        encoded("after:1"),
        encoded("42"),
        cursors.encode("before", 42) + "=",
        cursors.encode("before", 42) + "\n",
        " " + cursors.encode("before", 42),
        cursors.encode("before", 1)[:-1] + "R",  # the same bytes, with stray last bits
    ],
)
def test_what_we_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        cursors.decode(cursor, "before")

    detail = "Send the next_cursor of the page before, unchanged."
    assert refusal.value.detail == detail
    assert refusal.value.errors == [
        {"in": "query", "pointer": "/cursor", "code": "cursor", "detail": detail}
    ]

"""Cursors"""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproject.problems import Invalid
from tasks import cursors

DETAIL = "Send the next_cursor of the page before, unchanged, with the parameters of that page."
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=1_000)


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def of(*parts: Any) -> str:
    """A cursor with these parts, in the encoding of a real one."""
    return encoded(json.dumps(parts, separators=(",", ":"), ensure_ascii=False))


def assert_refused(refusal: pytest.ExceptionInfo[Invalid], parameter: str) -> None:
    assert refusal.value.detail == f"/{parameter}: {DETAIL}"
    assert refusal.value.errors == [
        {"in": "query", "pointer": f"/{parameter}", "code": "cursor", "detail": DETAIL}
    ]


@pytest.mark.parametrize("task_id", [1, 9, 42, 10**6, 2**63 - 1])
def test_a_cursor_comes_back_as_its_task(task_id: int) -> None:
    cursor = cursors.encode("before", task_id)

    assert cursors.decode(cursor, "before") == (task_id, None)
    assert cursors.decode_number(cursor, "before") == task_id


@given(st.integers(1, 2**63 - 1), TEXT | st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_comes_back_with_its_value(number: int, value: str | int) -> None:
    cursor = cursors.encode("-title", number, value)

    assert cursors.decode(cursor, "-title") == (number, value)


@given(st.integers(1, 2**63 - 1), TEXT.filter(lambda text: "\x00" not in text))
def test_a_cursor_comes_back_with_its_text(number: int, value: str) -> None:
    cursor = cursors.encode("tags", number, value)

    assert cursors.decode_text(cursor, "tags") == (number, value)


@pytest.mark.parametrize("task_id", [1, 42, 2**63 - 1])
@pytest.mark.parametrize("value", [None, 0, -(10**17), "", "~~~???", "\U0001f600\x1f"])
def test_a_cursor_needs_no_escaping_in_a_url(
    task_id: int, value: str | int | None
) -> None:
    cursor = cursors.encode("before", task_id, value)

    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_cursors_differ() -> None:
    made = {
        cursors.encode(kind, number, value)
        for kind in ("a", "b")
        for number in range(1, 100)
        for value in (None, 0, 1, "", "0", "1")
    }

    assert len(made) == 2 * 99 * 6


@pytest.mark.parametrize("value", ["z" * 1_000, "\x01" * 200, "\U0001f600" * 200])
def test_the_longest_fit(value: str) -> None:
    """The values of positions, titles and tags, which are the longest in bytes."""
    cursor = cursors.encode("-position", 2**63 - 1, value)

    assert len(cursor) <= cursors.CURSOR_LENGTH


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "nonsense", "\xe9", "\x00", "\ud800", "a b", "42",
        of("before", 0), of("before", -1), of("before", 2**63), of("before", 10**400), of("before", True),
        of("before", None), of("before", "1"), of("before", 1.0), of("before", [1]), of("before", {}), of("before"),
        of("before", 1, None), of("before", 1, True), of("before", 1, 1.5), of("before", 1, []), of("before", 1, {}),
        of("before", 1, 2**64), of("before", 1, 2, 3), of(), of(1), of(None, 1), of(["before"], 1), of("after", 1), of("Before", 1),
        encoded('["before",+1]'), encoded('["before", 1]'), encoded('["before",01]'), encoded('["before",1e0]'),
        encoded('["before",1]\n'), encoded('["before",\u0661]'), encoded('["before",1,"\\ud800"]'),
        encoded('["before",1,"\\u0061"]'), encoded('["bef\\u006fre",1]'), encoded('["before",NaN]'), encoded('["before",1'),
        encoded('{"before":1}'), encoded('"before"'), encoded("42"), encoded("null"), encoded("before:42"), encoded("[" * 1_000),
        urlsafe_b64encode(b'["before",1,"\xff"]').decode(),
        cursors.encode("before", 42) + "=", cursors.encode("before", 42) + "\n", " " + cursors.encode("before", 42),
        cursors.encode("before", 42)[:-1], cursors.encode("before", 1)[:-1] + "R",  # the same bytes, with stray last bits
    ],
)  # fmt: skip
def test_what_we_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        cursors.decode(cursor, "before")

    assert_refused(refusal, "cursor")


@pytest.mark.parametrize("value", ["", "a", 0, 1])
def test_a_list_that_is_ordered_by_number_alone_takes_no_value(
    value: str | int,
) -> None:
    with pytest.raises(Invalid) as refusal:
        cursors.decode_number(cursors.encode("after", 1, value), "after", "after")

    assert_refused(refusal, "after")


@pytest.mark.parametrize("value", [None, 0, 1, "\x00", "a\x00b"])
def test_a_list_that_is_ordered_by_text_takes_nothing_else(
    value: str | int | None,
) -> None:
    with pytest.raises(Invalid) as refusal:
        cursors.decode_text(cursors.encode("tags", 1, value), "tags")

    assert_refused(refusal, "cursor")


def test_the_least_number_can_be_0() -> None:
    cursor = cursors.encode("after", 0)

    assert cursors.decode_number(cursor, "after", "after", least=0) == 0
    with pytest.raises(Invalid):
        cursors.decode_number(cursor, "after", "after")

"""Tracebacks, which show the code and no values"""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from pydantic import BaseModel
from pydantic import ValidationError as InvalidModel

from taskproject.tracebacks import describe, without_values

TEXT = 'Call Dr. O\'Hara ("urgent")\nabout the results'


def model_error() -> Exception:
    class Row(BaseModel):
        number: int

    try:
        Row(number=TEXT)  # type: ignore[arg-type]  # is what fails
    except InvalidModel as error:
        return error
    raise AssertionError


def raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        KeyError(TEXT),
        raised(lambda: int(TEXT)),
        raised(lambda: dict[str, str]()[TEXT]),
        raised(lambda: list[str]().index(TEXT)),
        ValueError(f"no zone has the name {TEXT!r}"),
        ValidationError(f"“{TEXT}” is not a date."),
        ValidationError([f"{TEXT} a", "b"]),
        model_error(),
        Exception(f"violates\nDETAIL:  Failing row contains (1, {TEXT})."),
        Exception(f'invalid input syntax for type bigint: "{TEXT}"\nLINE 1: {TEXT}'),
        ExceptionGroup("two", [KeyError(TEXT), ValueError(repr(TEXT))]),
    ],
)
def test_what_a_message_quotes_is_left_out(error: Exception) -> None:
    shown = describe(error)

    for part in ("Hara", "urgent", "results"):
        assert part not in shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("division by zero", "division by zero"),
        ("'Task' object has no attribute 'x'", "…"),
        ("[Errno 28] No space left on device", "[Errno 28] No space left on device"),
        ("first\nsecond", "first"),
        ("", ""),
    ],
)
def test_the_rest_of_a_message_is_kept(message: str, shown: str) -> None:
    assert without_values(message) == shown


def fail() -> None:
    try:
        raise KeyError("a")
    except KeyError as error:
        raise ValueError("b") from error


def fail_meanwhile() -> None:
    try:
        raise KeyError("a")
    except KeyError:
        raise ValueError("b")  # without a cause


def test_it_shows_the_code_and_the_exceptions_before() -> None:
    shown = describe(raised(fail))
    assert shown.count("Traceback (most recent call last):") == 2
    assert 'raise ValueError("b") from error' in shown
    assert "\nKeyError: …\n" in shown
    assert "was the direct cause" in shown
    assert shown.endswith("\nValueError: b")

    assert "During handling" in describe(raised(fail_meanwhile))


def test_exceptions_that_cause_one_another_end() -> None:
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one

    assert describe(one).count("ValueError") == 2

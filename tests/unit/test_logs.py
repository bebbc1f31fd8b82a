"""Log lines"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from taskproject.logs import JSONFormatter, TextFormatter
from tests.unit.test_settings import load


def line(
    message: str = "request",
    *args: Any,
    formatter: type[logging.Formatter] = JSONFormatter,
    **extra: Any,
) -> str:
    """What the formatter makes of a record."""
    record = logging.getLogger("tasks").makeRecord(
        "tasks",
        logging.WARNING,
        __file__,
        1,
        message,
        args,
        extra.pop("exc_info", None),
        extra=extra,
    )
    record.created = 1_795_422_600.5
    return formatter().format(record)


def test_a_line_is_one_json_object() -> None:
    written = json.loads(line("Took %d ms", 7, fields={"id": "trace-42", "user": None}))

    moment = datetime.fromisoformat(written["time"])
    assert moment == datetime.fromtimestamp(1_795_422_600.5, UTC)
    assert written == {
        "time": written["time"],
        "level": "WARNING",
        "logger": "tasks",
        "message": "Took 7 ms",
        "id": "trace-42",
        "user": None,
    }


@pytest.mark.parametrize(
    "text", ['a\nb\r\n{"level": "ERROR"}', '"}', "\x00\x1b[31m\x7f", "ü 🥛", "\\", ""]
)
def test_no_text_can_forge_a_line(text: str) -> None:
    written = line(text, fields={"path": text})

    assert len(written.splitlines()) == 1
    assert json.loads(written)["message"] == text
    assert json.loads(written)["path"] == text
    assert json.loads(written)["level"] == "WARNING"


@pytest.mark.parametrize("message", ["request", "half \ud800"])
@pytest.mark.parametrize("path", ["/\ud800", "/\udfff\n"])
def test_half_a_surrogate_pair_is_written_all_the_same(message: str, path: str) -> None:
    written = line(message, fields={"path": path})

    assert len(written.splitlines()) == 1
    assert ascii(path) in json.loads(written)["path"]


@pytest.mark.parametrize(
    "value",
    [2**64, {1: 2}, {"a": {1, 2}}, object(), b"x", float("nan"), Exception("x")],
)
def test_any_value_can_be_written(value: object) -> None:
    written = line(fields={"value": value})

    assert len(written.splitlines()) == 1
    assert "value" in json.loads(written)


def test_only_fields_are_copied() -> None:
    written = line(request="a header", body="a body", fields={"id": "trace-42"})

    assert json.loads(written).keys() == {"time", "level", "logger", "message", "id"}


def test_an_exception_brings_its_traceback_on_the_same_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        written = line(exc_info=sys.exc_info())

    assert len(written.splitlines()) == 1
    traceback = json.loads(written)["traceback"]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("\nValueError: first")


# For people


def test_a_request_is_one_short_line() -> None:
    fields: dict[str, Any] = {
        "method": "GET",
        "operation": "get_task",
        "path": "/api/tasks/1",
    }
    fields |= {"status": "200", "ms": "3.2", "user": None}

    assert line(formatter=TextFormatter, fields=fields) == (
        "08:30:00 GET /api/tasks/1 200 3.2 ms operation=get_task"
    )


@pytest.mark.parametrize("text", ["a\nb\r\n08:30:00 GET", "\x00\x1b[31m\x7f", "\ud800"])
def test_no_text_can_forge_a_line_or_reach_a_terminal(text: str) -> None:
    written = line(text, formatter=TextFormatter, fields={"path": text})

    assert written.isprintable()
    assert written.encode().startswith(b"08:30:00 WARNING tasks: ")


def test_a_traceback_follows_without_values() -> None:
    try:
        raise KeyError("Buy milk")
    except KeyError:
        written = line("failed", formatter=TextFormatter, exc_info=sys.exc_info())

    first, *trace = written.splitlines()
    assert first == "08:30:00 WARNING tasks: failed"
    assert trace[-1] == "  KeyError: …"
    assert all(one.startswith("  ") for one in trace)


@pytest.mark.parametrize(
    ("given", "formatter"), [("", "json"), ("json", "json"), ("TEXT", "text")]
)
def test_a_setting_chooses_who_reads_the_log(given: str, formatter: str) -> None:
    [logs] = load("LOGGING", LOG_FORMAT=given)

    assert logs["handlers"]["stderr"]["formatter"] == formatter

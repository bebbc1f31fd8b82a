"""Log lines: a JSON object each, so that values cannot forge lines or fields; or, for people
at a terminal, text."""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

import orjson

from taskproject.stderr import shared
from taskproject.tracebacks import describe

# Not computed, because no line has it ("Optimization" in Python's logging HOWTO): 0.02 ms.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class Line(logging.LogRecord):
    """A log record of level INFO with these `fields`. It has only the attributes that
    JSONFormatter uses; `logger.info` would take 0.01 ms more."""

    _blank: ClassVar = vars(logging.LogRecord("", logging.INFO, "", 0, "", (), None))

    def __init__(self, name: str, message: str, fields: Mapping[str, object]) -> None:
        self.__dict__.update(
            self._blank, name=name, msg=message, created=time.time(), fields=fields
        )


def _lost(count: int) -> bytes:
    fields = {"lines": count}
    line = Line(
        "taskproject.logs", "lines were dropped: standard error was not read", fields
    )
    line.levelname, line.levelno = "WARNING", logging.WARNING
    return JSONFormatter().format(line).encode() + b"\n"


stderr = shared(_lost)


class LineHandler(logging.Handler):
    """Writes to standard error without blocking (see `stderr.py`)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode() + b"\n"
        except Exception:  # noqa: BLE001  # as every handler does
            self.handleError(record)
        else:
            stderr.write(line)


class JSONFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `logger`, `message`, and the fields given as
    `extra={"fields": {...}}`. Other attributes, such as the request, are left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            error = record.exc_info[1]
            line["traceback"] = describe(error) if error else ""
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate, which UTF-8 cannot encode
            return orjson.dumps({key: ascii(line[key]) for key in line}).decode()


class TextFormatter(logging.Formatter):
    """Formats a record for people: the time in UTC, what happened, and the other fields. What no
    terminal should get is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", {}))
        told = record.getMessage()
        if told == "request":
            parts = ("method", "path", "status", "ms")
            told = "{} {} {} {} ms".format(*(fields.pop(name, "-") for name in parts))
        else:
            told = f"{record.levelname} {record.name}: {told}"
        time_of_day = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        given = (
            f"{name}={value}" for name, value in fields.items() if value is not None
        )
        lines = [_printable(" ".join((time_of_day, told, *given)))]
        if record.exc_info and record.exc_info[1]:
            trace = describe(record.exc_info[1]).split("\n")
            lines += [f"  {_printable(line)}" for line in trace]
        return "\n".join(lines)


def _printable(text: str) -> str:
    """The text with escape sequences for line breaks and control characters."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    )

"""What is made by hand, because it is made often, is what the library would make"""

import inspect
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import django
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from taskproject.accounts.models import User
from taskproject.logs import Line
from taskproject.sql import instance, mark_saved
from tasks.api.responses import JSONResponse
from tasks.models import Task
from tests.conftest import make_task


def attributes(thing: Any) -> dict[str, Any]:
    """With what is within."""
    return {
        name: vars(value) if hasattr(value, "__dict__") else value
        for name, value in vars(thing).items()
    }


def test_an_answer_is_the_response_that_django_would_make() -> None:
    content, headers = b'{"id":7}', {"ETag": '"1"', "Location": "/api/tasks/7"}

    ours = JSONResponse(content, 201, headers)

    length = {"Content-Length": str(len(content))}
    django = HttpResponse(
        content, "application/json", status=201, headers=length | headers
    )
    assert attributes(ours) == attributes(django)


def test_answers_share_nothing_that_changes() -> None:
    one, other = JSONResponse(b"{}", 200, {}), JSONResponse(b"{}", 200, {})
    one.headers["X"] = "y"
    one.set_cookie("a", "b")
    one.content = b"[]"

    assert "X" not in other.headers
    assert not other.cookies
    assert other.content == b"{}"


def test_a_line_is_the_record_that_a_logger_would_make() -> None:
    logger = logging.getLogger("tasks")
    fields = {"id": "one"}

    line = Line("tasks", "request", fields)

    record = logger.makeRecord(
        "tasks", logging.INFO, "", 0, "request", (), None, extra={"fields": fields}
    )
    assert 0 <= record.created - line.created < 60
    record.created = line.created
    # What no line tells of the moment.
    record.msecs, record.relativeCreated = line.msecs, line.relativeCreated
    assert vars(line) == vars(record)


@pytest.mark.django_db
def test_a_row_is_the_instance_that_the_orm_would_make(alice: User) -> None:
    task = make_task(alice, "Buy milk", tags=["errand"], due_at=timezone.now())
    stored = Task.objects.get(pk=task.pk)
    names = [field.attname for field in Task._meta.concrete_fields]

    row = instance(Task, {name: getattr(stored, name) for name in names})
    mark_saved(row)

    assert row._state.fields_cache == {}  # it is made when it is asked for
    # From Django 6.1 on; the class has it too.
    vars(stored._state).pop("fetch_mode", None)
    assert attributes(row) == attributes(stored)


@pytest.mark.skipif(django.VERSION[:2] != (5, 2), reason="of the Django we run on")
@pytest.mark.parametrize(
    ("original", "digest"),
    [
        (HttpResponseBase.__init__, "02085fb94d60a0e9"),
        (HttpResponse.__init__, "7b59f02a4ec510bf"),
        (Model.__init__, "2950c3a90d8343b5"),
        (BaseDatabaseWrapper.close_if_unusable_or_obsolete, "9e0690a760eb710d"),
        (vars(CursorWrapper)["_execute"], "8a3a172b0a15ed53"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_django_does_what_it_did_when_it_was_done_here_by_hand(
    original: Callable[..., Any], digest: str
) -> None:
    """Where this fails, an upgrade has changed what we do in Django's stead: see whether
    ours is to change too, and then write down what this finds."""
    assert sha256(inspect.getsource(original).encode()).hexdigest()[:16] == digest

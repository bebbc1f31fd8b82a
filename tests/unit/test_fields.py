"""What is written out beside the list of a task's fields has the same fields: see
docs/architecture.md, "How to add a field"."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from tasks.admin.tasks import TaskAdmin
from tasks.api.changes import EventVerb
from tasks.api.filters import TaskFilters
from tasks.api.schemas import (
    EXAMPLE,
    TaskCreate,
    TaskIn,
    TaskMembers,
    TaskOut,
    TaskPatch,
)
from tasks.exports import COLUMNS
from tasks.fields import ATTRIBUTES, FIELDS, KEYS, TEXTS, TRACKED, Field
from tasks.formats import csv
from tasks.formats.records import TaskRecord
from tasks.forms import TaskForm
from tasks.models import Event, Task, constraints, task_events
from tasks.models.criteria import Criteria, conditions_of
from tasks.models.due_dates import clock
from tasks.models.words import MATCH_KEY_LENGTH

# What files call otherwise, or cannot have: the id and the version belong to one
# installation, as does what followed; the number of subtasks follows from them.
NOT_IN_FILES = {"id", "overdue", "open_subtasks", "next_occurrence", "version"}


def test_a_task_is_shown_with_all_fields_in_their_order() -> None:
    names = [field.name for field in FIELDS]

    assert [*TaskOut.model_fields] == names
    assert [*EXAMPLE] == names


@pytest.mark.parametrize("schema", [TaskMembers, TaskPatch])
def test_what_is_writable_is_in_the_bodies_and_nothing_else(
    schema: type[TaskMembers | TaskPatch],
) -> None:
    members = {*schema.model_fields} - {"version"}  # a precondition
    assert members == {field.name for field in FIELDS if field.writable}
    assert {*TaskCreate.model_fields} == {*TaskMembers.model_fields, "client_id"}
    assert {*TaskIn.model_fields} == {field.name for field in FIELDS}


def test_the_verbs_of_the_api_are_those_of_the_model() -> None:
    assert [*get_args(EventVerb.__value__)] == Event.Verb.values


def test_every_attribute_is_one_of_the_model() -> None:
    assert all(hasattr(Task, name) for name in ATTRIBUTES.values())


def test_everything_writable_is_told_by_events() -> None:
    assert {ATTRIBUTES[field.name] for field in FIELDS if field.writable} <= {*TRACKED}
    assert {*TRACKED} < {*task_events.TRACKED_ATTRIBUTES}


def test_every_field_is_in_files() -> None:
    recorded = {field.name for field in FIELDS} - NOT_IN_FILES

    assert recorded <= {member.name for member in fields(TaskRecord)}
    assert {*csv.COLUMNS} == recorded - {*csv.NOT_IN_TABLES} | {"external_id"}
    assert {ATTRIBUTES[name] for name in recorded - {"list"}} < {*COLUMNS}


def test_everything_writable_is_in_the_form_of_the_admin() -> None:
    shown = {field.name for field in FIELDS if field.writable} - {"tags", "reminders"}

    assert shown | {"owner"} == {*TaskForm.Meta.fields}
    assert shown & {*TaskAdmin.readonly_fields} == set()
    assert {"tag_names", "reminder_lines"} < {*TaskForm.base_fields}


@pytest.mark.parametrize(
    "field",
    [field for field in FIELDS if field.max_length],
    ids=lambda field: field.name,
)
def test_the_model_bounds_a_text_as_the_list_does(field: Field) -> None:
    column: Any = Task._meta.get_field(field.name)

    assert field.name in TEXTS
    assert column.max_length == field.max_length
    assert f"task_{field.name}_length" in [
        each.name for each in constraints.CONSTRAINTS
    ]
    assert column.null or field.one_line or column.default == ""


def test_every_key_is_an_attribute_with_an_index() -> None:
    names = [index.name for index in constraints.INDEXES]

    for name, key in KEYS.items():
        column: Any = Task._meta.get_field(key)
        assert column.null and column.max_length == MATCH_KEY_LENGTH
        assert f"task_owner_{name}" in names


# "How to add a filter"

FILTERS: dict[str, Any] = {
    "ids": ["3"],
    "completed": "true",
    "list": "none",
    "parent": "3",
    "tag": ["errand"],
    "priority": ["high"],
    "location": "Office",
    "client_id": "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90",
    "due_before": "2026-12-31",
    "due_after": "2026-12-31T17:00:00Z",
    "overdue": "false",
    "has_due": "true",
    "created_after": "2026-12-31T17:00:00Z",
    "updated_after": "2026-12-31T17:00:00Z",
    "q": "oat",
}


def test_every_filter_is_tried_here() -> None:
    others = {"sort", "limit", "cursor", "tz", "total", "fields", "highlight"}

    assert {*FILTERS} == {*TaskFilters.model_fields} - others
    assert len(FILTERS) == len(fields(Criteria))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_a_criterion_and_a_condition(name: str) -> None:
    wanted = TaskFilters.model_validate({name: FILTERS[name]}).criteria()

    assert wanted != TaskFilters.model_validate({}).criteria()
    assert conditions_of(1, wanted, "created", clock("UTC"))

#!/usr/bin/env bash
# pydantic 2.14.3: a strict model takes "3" for an integer, if the type of the integer has a
# name (TypeAliasType), two fields have it, the model has an `after` validator, and it is a
# member of a model that is not strict. By itself, or without the validator, it refuses "3".
#
# One would guess that `strict=True` of a model holds for its fields wherever the model is
# used.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'pydantic==2.14.3'
"$place/venv/bin/python" - <<'PYTHON'
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from typing_extensions import TypeAliasType

Id = TypeAliasType("Id", int)


class Task(BaseModel):
    model_config = ConfigDict(strict=True)

    parent: Id | None = None
    list: Id | None = None

    @model_validator(mode="after")
    def check(self):
        return self


class Body(BaseModel):
    task: Task


def takes(model, value):
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


alone, within = takes(Task, {"parent": "3"}), takes(Body, {"task": {"parent": "3"}})
print(f"alone: {alone}, within another model: {within}")
assert (alone, within) == (False, True)
PYTHON

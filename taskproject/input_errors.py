"""The errors of members of the input, as clients get them: a code of our own with its
parameters, so that forms can translate it, and a sentence that says what to send."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, PlainValidator
from pydantic_core import ErrorDetails
from typing_extensions import TypeAliasType

from taskproject.names import close_to, unknown
from taskproject.problems import InputError

#: Every code, with its parameters.
CODES: dict[str, tuple[str, ...]] = {
    "cursor": (),
    "date": (),
    "due_missing": (),
    "has_subtasks": (),
    "id_or_none": (),
    "instant": (),
    "invisible": (),
    "is_subtask": (),
    "line_break": (),
    "missing": (),
    "not_found": (),
    "nul_character": (),
    "one_change": (),
    "one_place": (),
    "own_parent": (),
    "read_only": (),
    "recurrence": (),
    "recurrence_alone": (),
    "refused": (),
    "repeated": (),
    "timezone": (),
    "too_few": ("min",),
    "too_large": ("max",),
    "too_long": ("max",),
    "too_many": ("max",),
    "too_short": ("min",),
    "too_small": ("min",),
    "two_dues": (),
    "two_versions": (),
    "unexpected": (),
    "unknown": ("suggestion",),
    "unknown_value": ("known", "suggestion"),
    "url": (),
    "uuid": (),
    "words": ("min", "max"),
    "wrong_type": ("expected",),
    "zone_alone": (),
}
# What pydantic calls the types of JSON, in its errors of other types.
_TYPES = {
    "bool_type": ("boolean", "Send true or false."),
    "dict_type": ("object", "Send a JSON object."),
    "int_type": ("integer", "Send a whole number."),
    "list_type": ("array", "Send an array."),
    "model_attributes_type": ("object", "Send a JSON object."),
    "model_type": ("object", "Send a JSON object."),
    "string_type": ("string", "Send a string."),
}


def input_error(
    source: str, path: Sequence[object], code: str, detail: str, **parameters: object
) -> InputError:
    """The error of the member at this path of the body or the query."""
    pointer = "".join(
        "/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in path
    )
    error = {"in": source, "pointer": pointer, "code": code, "detail": detail}
    return error | parameters


def translated(
    source: str, path: Sequence[object], error: ErrorDetails, model: type[BaseModel]
) -> InputError:
    """The error for one of pydantic's, which was found by validation of the model."""
    code, detail, parameters = _translation(error, model)
    return input_error(source, path, code, detail, **parameters)


def unknown_member(
    source: str, path: Sequence[object], known: Collection[str], kind: str
) -> InputError:
    """The error of a member or parameter that does not exist."""
    name = str(path[-1])
    detail = unknown(name, known, kind)
    return input_error(source, path, "unknown", detail, **_suggestion(name, known))


def _translation(
    error: ErrorDetails, model: type[BaseModel]
) -> tuple[str, str, dict[str, Any]]:
    """The code, the sentence and the parameters."""
    limits, kind = error.get("ctx", {}), error["type"]
    match kind:
        case "extra_forbidden":
            name, known = str(error["loc"][-1]), _members(model, error["loc"])
            return "unknown", unknown(name, known, "member"), _suggestion(name, known)
        case "missing":
            return "missing", "Send this member.", {}
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(limits["expected"]))
            if not isinstance(error["input"], str):
                detail = f"Send one of these words: {', '.join(words)}."
                return "unknown_value", detail, {"known": words}
            detail = unknown(error["input"], words, "value")
            parameters = {"known": words} | _suggestion(error["input"], words)
            return "unknown_value", detail, parameters
        case "too_long":
            most = limits["max_length"]
            return "too_many", f"Send at most {most} of them.", {"max": most}
        case "too_short":
            least = limits["min_length"]
            return "too_few", f"Send at least {least} of them.", {"min": least}
        case "string_too_long":
            most = limits["max_length"]
            return "too_long", f"Send at most {most:,} characters.", {"max": most}
        case "string_too_short":
            detail = "Send at least one character that is not a space."
            return "too_short", detail, {"min": limits["min_length"]}
        case "greater_than_equal":
            return "too_small", f"Send at least {limits['ge']}.", {"min": limits["ge"]}
        case "less_than_equal":
            return "too_large", f"Send at most {limits['le']}.", {"max": limits["le"]}
    if kind in _TYPES:
        expected, detail = _TYPES[kind]
        return "wrong_type", detail, {"expected": expected}
    if kind in CODES:  # one of our own, which has a sentence
        return kind, error["msg"], dict(limits)
    return "refused", f"{error['msg']}.", {}


def _suggestion(name: str, known: Collection[str]) -> dict[str, str]:
    close = close_to(name, known)
    return {} if close is None else {"suggestion": close}


def _members(model: type[BaseModel], location: tuple[object, ...]) -> set[str]:
    """The known members of the object that has the unknown one."""
    models = {model}
    for part in location[:-1]:
        if isinstance(part, str):  # else the number of an item
            fields = [
                one.model_fields[part] for one in models if part in one.model_fields
            ]
            models = {
                one
                for field in fields
                for hint in (field.annotation, *field.metadata)
                for one in _models(hint)
            }
    return {name for one in models for name in one.model_fields}


def _models(hint: object) -> Iterator[type[BaseModel]]:
    """The models of this type, of its items, or of one of its alternatives."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    elif isinstance(hint, TypeAliasType):
        yield from _models(hint.__value__)
    elif isinstance(hint, PlainValidator):
        yield from _models(hint.json_schema_input_type)
    else:
        for part in (*get_args(hint), *getattr(hint, "__metadata__", ())):
            yield from _models(part)

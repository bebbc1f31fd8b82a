"""Validation of API input: strict JSON, closed schemas, no unknown parameters.

Everything refused here is a 4xx whose detail says what to send instead. The database is
not accessed before.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from django.conf import settings
from django.http import HttpRequest, QueryDict
from ninja.params.models import ParamModel, Query
from ninja.parser import Parser
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from taskproject import timezones
from taskproject.input_errors import input_error, translated, unknown_member
from taskproject.problems import (
    BadRequest,
    ContentTooLarge,
    InputError,
    Invalid,
    LengthRequired,
    MalformedBody,
    Problem,
    UnsupportedMediaType,
)

MEDIA_TYPES = {"application/json", "application/merge-patch+json"}
# The types of pydantic's errors for a body that is no object. (Members that contradict one
# another are errors of the whole body too.)
NO_OBJECT = {"missing", "model_type", "model_attributes_type", "dict_type"}
#: Most members of one object; no schema has a quarter of them.
MAX_MEMBERS = 50
#: Most errors that are reported of a request, and of one operation of a batch.
MAX_ERRORS = 100
MAX_ERRORS_OF_OPERATION = 10
# A \u escape of one half of a surrogate pair; the other half may be missing.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


# Types of single values


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError(
            "nul_character", "Remove the NUL character (\\u0000)."
        )
    return value


def _word_boolean(value: object) -> object:
    if value in ("true", "false"):
        return value == "true"
    raise PydanticCustomError(
        "wrong_type", "Send true or false.", {"expected": "boolean"}
    )


def _digits(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    raise PydanticCustomError(
        "wrong_type", "Send a whole number in digits.", {"expected": "integer"}
    )


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


#: Removes white space at both ends. pydantic's own option leaves some characters that
#: are white space to Python, and so to the admin.
STRIPPED = BeforeValidator(_stripped)
#: For text: PostgreSQL cannot store NUL, and SQLite counts characters up to the first.
NO_NUL = AfterValidator(_without_nul)
#: For `true` or `false` in a query string; no other words.
WORD = BeforeValidator(_word_boolean)
#: For an integer in a query string, in ASCII digits.
DIGITS = BeforeValidator(_digits)


def _timezone(name: str) -> str:
    if name not in timezones.names():
        raise PydanticCustomError(
            "timezone",
            f"The IANA's database has no such time zone; {timezones.advice(name)}",
        )
    return name


Zone = TypeAliasType(
    "Zone",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64),
        AfterValidator(_timezone),
        Field(
            description="An IANA time zone.",
            examples=["Europe/Lisbon"],
            json_schema_extra={"pattern": r"^[A-Za-z0-9_+\-/]+$"},
        ),
    ],
)


class Closed(BaseModel):
    """A body or query without other members than its own, and without type conversion."""

    model_config = ConfigDict(extra="forbid", strict=True)


def absent() -> Any:
    """The default of a member that a PATCH may leave out and that may not be null.

    It is a factory, because the document would show a plain default. As pydantic's own
    `Field`, it can be the default of a member of every type.
    """
    return Field(default_factory=lambda: None)


# The body


class StrictParser(Parser):
    """A JSON parser that is strict by RFC 8259: unique names, UTF-8, finite numbers."""

    def parse_body(self, request: HttpRequest) -> Any:  # JSON of any type
        body = request.body
        if len(body) < int(request.META.get("CONTENT_LENGTH") or 0):
            raise MalformedBody("The body ends before its Content-Length.")
        if body.startswith(BOM_UTF8):
            raise MalformedBody("Send the body without a byte order mark (BOM).")
        try:
            text = body.decode("utf-8")
            value = _strict.decode(text)
            if SURROGATE.search(body):
                json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeDecodeError:
            raise MalformedBody("The body is not UTF-8.") from None
        except UnicodeEncodeError:
            raise MalformedBody("The body has half of a surrogate pair.") from None
        except json.JSONDecodeError as error:
            raise MalformedBody(
                f"{error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        except RecursionError:
            raise MalformedBody("The body is nested too deeply.") from None
        except ValueError:
            raise MalformedBody("The body has a number with too many digits.") from None
        return value


def check_body_headers(request: HttpRequest) -> None:
    """Refuse a body whose headers are not those of JSON of at most 256 KB."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" in meta:
        raise LengthRequired("Send Content-Length; chunked bodies are not accepted.")
    if is_unmeasured(request) and meta["wsgi.input"].read(1):
        raise LengthRequired("Send Content-Length with a body, over HTTP/2 too.")
    if length in ("", "0"):
        return
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Send Content-Length as a number of bytes.")
    if int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise ContentTooLarge("Send at most 256 KB.")
    if meta.get("HTTP_CONTENT_ENCODING", "").lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type not in MEDIA_TYPES or charset.lower() != "utf-8":
        raise UnsupportedMediaType(
            "Send the header Content-Type: application/json (UTF-8)."
        )


def is_unmeasured(request: HttpRequest) -> bool:
    """Whether only reading shows if there is a body: HTTP/2 requires neither its length
    nor Transfer-Encoding."""
    meta = request.META
    return (
        request.method not in ("GET", "HEAD")
        and not meta.get("CONTENT_LENGTH")
        and meta.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
    )


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MAX_MEMBERS:
        detail = f"Send at most {MAX_MEMBERS} members in an object."
        error = input_error("body", [], "too_many", detail, max=MAX_MEMBERS)
        raise Invalid(detail, errors=[error])
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedBody(f"The member {name[:100]!r} is given twice.")
            seen.add(name)
    return members


def _refuse_constant(name: str) -> None:
    raise MalformedBody(f"{name} is not JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise MalformedBody(f"The number {digits[:40]} is too large.")
    return number


_parser = StrictParser()
_strict = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_constant=_refuse_constant,
    parse_float=_finite,
)


# Parameters and bodies that an operation does not take


def check_query(given: QueryDict, parameters: dict[str, bool]) -> None:
    """Refuse query parameters that are unknown, with a suggestion, or repeated although
    they may not be."""
    extra = [name for name in given if name not in parameters]
    errors = [
        unknown_member("query", [name], parameters.keys(), "parameter")
        for name in extra[:MAX_ERRORS]
    ]
    if errors:
        raise Invalid(errors[0]["detail"], errors=errors)
    for name, may_repeat in parameters.items():
        if not may_repeat and len(given.getlist(name)) > 1:
            raise Invalid(
                f"Send the parameter {name} once.",
                errors=[input_error("query", [name], "repeated", "Send it once.")],
            )


def check_no_body(request: HttpRequest) -> None:
    """Refuse a body sent to an operation that takes none. An empty object is accepted,
    because many clients always send one."""
    if request.body and _parser.parse_body(request) not in ({}, None):
        detail = "This operation takes no body; send none."
        raise Invalid(detail, errors=[input_error("body", [], "unexpected", detail)])


def query_parameters(handler: Callable[..., object]) -> dict[str, bool]:
    """The query parameters that a handler declares, and whether each may be repeated."""
    fields: dict[str, bool] = {}
    for hint in get_type_hints(handler, include_extras=True).values():
        if get_origin(hint) is Annotated:
            model, *marks = get_args(hint)
            if any(isinstance(mark, Query) for mark in marks):
                fields |= {
                    field.alias or name: get_origin(field.annotation) is list
                    for name, field in model.model_fields.items()
                }
    return fields


# Errors


def invalid(wrong: Iterable[tuple[type[ParamModel], ValidationError]]) -> Problem:
    """The problem for the validation errors of these models, each with the JSON pointer
    to the invalid member."""
    errors: list[InputError] = []
    for model, invalid_input in wrong:
        source = str(model.__ninja_param_source__)
        found = invalid_input.errors(include_url=False)
        for error in found[: MAX_ERRORS - len(errors)]:
            # ninja puts the name of the handler's argument in front.
            path = list(error["loc"])[1:]
            if source == "body" and not path and error["type"] in NO_OBJECT:
                if error["type"] == "missing":
                    return MalformedBody("Send a JSON object as the body.")
                error["type"] = "model_type"
            errors.append(translated(source, path, error, model))
    return _refusal(errors)


def refusal_of(model: type[BaseModel], value: object, place: str) -> Invalid | None:
    """The problem of an object within the body, if it is not valid for the model. `place`
    is the JSON pointer to the object."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        path = place.strip("/").split("/")
        errors = [
            translated("body", [*path, *one["loc"]], one, model)
            for one in error.errors(include_url=False)[:MAX_ERRORS_OF_OPERATION]
        ]
        return _refusal(errors)
    return None


def _refusal(errors: list[InputError]) -> Invalid:
    first = "; ".join(
        f"{error['pointer'] or error['in']}: {error['detail']}" for error in errors[:3]
    )
    return Invalid(first, errors=errors)

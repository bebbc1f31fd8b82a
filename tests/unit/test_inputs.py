"""What the API lets in"""

from typing import Annotated, Any

import pytest
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory
from pydantic import TypeAdapter, ValidationError

from taskproject import inputs
from taskproject.problems import (
    ContentTooLarge,
    Invalid,
    LengthRequired,
    MalformedBody,
    Problem,
    UnsupportedMediaType,
)


def post(body: bytes = b"", content_type: str = "application/json", **meta: Any) -> Any:
    return RequestFactory().generic("POST", "/", body, content_type, **meta)


# StrictParser


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (
            b'  {"a": [1, -2.5e3, true, null, "x"]}\n',
            {"a": [1, -2500.0, True, None, "x"]},
        ),
        ('{"ä": "🥛"}'.encode(), {"ä": "🥛"}),
        (b'"\\ud83e\\udd5b"', "🥛"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'{"a": {"a": {}}}', {"a": {"a": {}}}),
        (b'"\\u0000"', "\x00"),
        (b"1e308", 1e308),
        (b"9223372036854775808", 2**63),
    ],
)
def test_the_parser_reads_json(body: bytes, value: Any) -> None:
    assert inputs.StrictParser().parse_body(post(body)) == value


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "at line 1, column 2."),
        (b'{\n"a": 1\n"b": 2}', "at line 3, column 1."),
        (b"{} {}", "Extra data at line 1, column 4."),
        (b"{'a': 1}", "at line 1, column 2."),
        (b" ", "Expecting value at line 1, column 2."),
        (b'"\n"', "Invalid control character at"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"\xff\xfe{\x00}\x00", "The body is not UTF-8."),
        (b'"\xed\xa0\x80"', "The body is not UTF-8."),
        (b"NaN", "NaN is not JSON."),
        (b"[Infinity]", "Infinity is not JSON."),
        (b'{"a": -Infinity}', "-Infinity is not JSON."),
        (b"1e309", "The number 1e309 is too large."),
        (b"-1" + b"0" * 400 + b".0", "is too large."),
        (b"9" * 5000, "The body has a number with too many digits."),
        (b'{"a": 1, "b": 2, "a": 1}', "The member 'a' is given twice."),
        (b'[{"x": {"a": 1, "\\u0061": 2}}]', "The member 'a' is given twice."),
        (b'"\\uD800"', "The body has half of a surrogate pair."),
        (b'["\\udfff"]', "The body has half of a surrogate pair."),
        (b'{"\\udc00\\ud800": 1}', "The body has half of a surrogate pair."),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b'{"a":' * 40_000, "The body is nested too deeply."),
        (b"[" * 100_000 + b"]" * 100_000, "The body is nested too deeply."),
    ],
)
def test_the_parser_refuses_what_is_no_json(body: bytes, detail: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        inputs.StrictParser().parse_body(post(body))

    assert detail in refusal.value.detail


@pytest.mark.parametrize("depth", range(100, 3000, 100))
def test_no_depth_breaks_the_parser(depth: int) -> None:
    """With the escape, the value is also written again, which nests as deeply."""
    body = b"[" * depth + b'"\\ud83e\\udd5b"' + b"]" * depth
    try:
        inputs.StrictParser().parse_body(post(body))
    except MalformedBody as refusal:
        assert refusal.detail == "The body is nested too deeply."


def test_a_name_that_is_given_twice_is_told_in_short() -> None:
    name = b"x" * 1000
    with pytest.raises(MalformedBody) as refusal:
        inputs.StrictParser().parse_body(post(b'{"%b": 1, "%b": 2}' % (name, name)))

    assert len(refusal.value.detail) < 150


def test_a_repeated_parameter_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        inputs.check_query(QueryDict("limit=1&limit=1"), {"limit": False})

    assert refusal.value.errors == [
        {
            "in": "query",
            "pointer": "/limit",
            "code": "repeated",
            "detail": "Send it once.",
        }
    ]


def test_a_parameter_that_is_a_list_may_be_repeated() -> None:
    parsed = inputs.StrictParser().parse_querydict(
        QueryDict("tag=a&tag=b&limit=1"), ["tag"], HttpRequest()
    )

    assert parsed == {"tag": ["a", "b"], "limit": "1"}


# check_body_headers


@pytest.mark.parametrize(
    "request_",
    [
        post(),
        post(content_type=""),
        post(b"{}"),
        post(b"{}", "application/json; charset=UTF-8"),
        post(b"{}", "APPLICATION/JSON"),
        post(b"{}", "application/merge-patch+json"),
        post(b"{}", HTTP_CONTENT_ENCODING="Identity"),
        post(b"{}", HTTP_CONTENT_ENCODING=""),
        post(b" " * 256 * 1024),
    ],
)
def test_a_json_body_passes(request_: HttpRequest) -> None:
    inputs.check_body_headers(request_)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (post(HTTP_TRANSFER_ENCODING="chunked"), LengthRequired),
        (post(b" " * (256 * 1024 + 1)), ContentTooLarge),
        (post(b"x", CONTENT_LENGTH="9" * 30), ContentTooLarge),
        (post(b"x", "text/plain", CONTENT_LENGTH="999999"), ContentTooLarge),
        (post(b"{}", ""), UnsupportedMediaType),
        (post(b"{}", "text/json"), UnsupportedMediaType),
        (post(b"{}", "application/json; charset=latin-1"), UnsupportedMediaType),
        (post(b"{}", "application/x-www-form-urlencoded"), UnsupportedMediaType),
        (post(b"{}", HTTP_CONTENT_ENCODING="gzip"), UnsupportedMediaType),
    ],
)
def test_another_body_is_refused(request_: HttpRequest, kind: type[Problem]) -> None:
    with pytest.raises(kind):
        inputs.check_body_headers(request_)


# Single values


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False)])
def test_a_query_boolean_is_a_word(word: str, value: bool) -> None:
    assert TypeAdapter(Annotated[bool, inputs.WORD]).validate_python(word) is value


@pytest.mark.parametrize("word", ["True", "yes", "1", "", " true", None, 1])
def test_nothing_else_is_a_query_boolean(word: Any) -> None:
    with pytest.raises(ValidationError, match="Send true or false."):
        TypeAdapter(Annotated[bool, inputs.WORD]).validate_python(word)


@pytest.mark.parametrize(("digits", "value"), [("0", 0), ("-1", -1), ("100", 100)])
def test_a_query_integer_is_digits(digits: str, value: int) -> None:
    assert TypeAdapter(Annotated[int, inputs.DIGITS]).validate_python(digits) == value


@pytest.mark.parametrize(
    "digits",
    ["", "x", "1.0", "1e3", "+1", " 1", "1\n", "1_0", "\u0661", "9" * 20, None],
)
def test_nothing_else_is_a_query_integer(digits: Any) -> None:
    with pytest.raises(ValidationError, match="Send a whole number in digits."):
        TypeAdapter(Annotated[int, inputs.DIGITS]).validate_python(digits)


# Closed


class Sample(inputs.Closed):
    title: str
    count: int = 0
    note: str = inputs.absent()


@pytest.mark.parametrize(
    "members",
    [
        {"title": 1},
        {"title": b"x"},
        {"title": "x", "count": "1"},
        {"title": "x", "count": 1.0},
        {"title": "x", "count": True},
        {"title": "x", "note": None},
        {"title": "x", "extra": 1},
        {},
    ],
)
def test_a_closed_schema_takes_no_other_type_and_no_other_member(
    members: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(members)


def test_a_member_that_is_absent_is_not_set() -> None:
    assert Sample(title="x").model_dump(exclude_unset=True) == {"title": "x"}


def test_a_member_that_may_be_absent_documents_no_default() -> None:
    schema = Sample.model_json_schema()

    assert schema["required"] == ["title"]
    assert schema["properties"]["note"] == {"title": "Note", "type": "string"}
    assert schema["additionalProperties"] is False

"""Each code of an error of the input is declared, with its parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskproject.input_errors import CODES, translated

ROOT = Path(__file__).resolve().parents[2]
#: The functions that make such errors, and which of their arguments is the code.
MAKERS = {"of": 2, "PydanticCustomError": 0, "input_error": 2, "_refused": 3}


def made() -> Iterator[tuple[str, str]]:
    """The codes that are written out in calls, with their places."""
    for path in [*ROOT.glob("taskproject/*.py"), *ROOT.glob("tasks/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            keywords = [one.value for one in node.keywords if one.arg == "code"]
            arguments = node.args[MAKERS.get(name, 99) :][:1] + keywords
            for code in arguments if name in MAKERS else ():
                if isinstance(code, ast.Constant):
                    yield str(code.value), f"{path}, line {node.lineno}"


def test_every_code_that_is_written_out_is_declared() -> None:
    codes = dict(made())

    assert len(codes) > 12
    assert {code: place for code, place in codes.items() if code not in CODES} == {}


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = Field(0, multiple_of=2)
    some: list[int] = Field([], min_length=1)


@pytest.mark.parametrize(
    ("value", "code"),
    [({"number": 3}, "refused"), ({"some": []}, "too_few"), ({"numbr": 1}, "unknown")],
)
def test_no_code_of_the_library_is_shown(value: object, code: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Example.model_validate(value)
    [found] = raised.value.errors(include_url=False)
    error = translated("body", list(found["loc"]), found, Example)

    assert error["code"] == code
    shown = set(error) - {"in", "pointer", "code", "detail"}
    assert shown <= set(CODES[code])

"""Names: what can be seen of them, and where a line ends"""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproject.names import fault, one_line, visible
from tasks.api.field_types import NAME

#: Format characters that are drawn: signs before numbers, and the end of a verse.
DRAWN = [
    *"\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2",
    *"\U000110bd\U000110cd",
]


def characters() -> list[str]:
    return [chr(code) for code in range(sys.maxunicode + 1)]


def test_spaces_controls_and_format_characters_are_invisible() -> None:
    kinds = {"Cc", "Cf", "Zs", "Zl", "Zp"}
    found = [one for one in characters() if unicodedata.category(one) in kinds]

    assert [one for one in found if visible(one)] == DRAWN


def test_letters_and_symbols_that_are_blank_are_invisible() -> None:
    assert not visible(
        "\u3164\uffa0\u115f\u1160\u2800\u034f\u17b4\u17b5\ufe0f\U000e0100"
    )


def test_nearly_all_letters_are_visible() -> None:
    kinds = ("L", "N", "P", "S")
    found = [one for one in characters() if unicodedata.category(one)[0] in kinds]

    blank = [one for one in found if not visible(one)]
    assert set("\u115f\u1160\u2800\u3164\uffa0\U0001d159") <= set(blank)
    assert len(blank) <= 8  # of which two are known to later releases only


@given(st.text())
def test_what_is_made_one_line_is_a_name_or_nothing_to_see(text: str) -> None:
    line = one_line(text)

    assert fault(line) is None or not visible(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


@given(st.text(st.characters(max_codepoint=0xFFFF)))
def test_the_pattern_of_the_document_says_the_same(text: str) -> None:
    stripped = text.strip()

    assert bool(re.search(NAME.replace("$", r"\Z"), stripped)) == (
        bool(stripped) and fault(stripped) is None
    )


@pytest.mark.parametrize("text", [" " * 1_000_000, "\n" * 1_000_000, "a\n" * 500_000])
def test_long_text_takes_no_longer_than_its_length(text: str) -> None:
    assert len(one_line(text)) <= len(text)

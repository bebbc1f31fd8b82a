"""Words: how titles are put in order, and how text is searched"""

import re
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproject.names import casefold_key
from tasks.limits import LIST_NAME_LENGTH, TAG_LENGTH
from tasks.models.words import (
    SORT_KEY_LENGTH,
    WORD_LENGTH,
    query_words,
    search_key,
    sort_key,
    words,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Buy oat milk", ["buy", "oat", "milk"]),
        ("  Buy,milk;now! ", ["buy", "milk", "now"]),
        ("e-mail snake_case a.b", ["e", "mail", "snake", "case", "a", "b"]),
        ("don't O'Neill", ["don", "t", "o", "neill"]),
        ("Çafé CAFE\u0301 caf\xe9", ["cafe", "cafe", "cafe"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ﬁne Ⅷ ²", ["fine", "viii", "2"]),
        ("Ärger Øre Łódź", ["arger", "ore", "lodz"]),
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σισυφοσ", "σισυφοσ"]),
        ("İstanbul", ["istanbul"]),
        ("買牛奶2瓶", ["買", "牛", "奶", "2瓶"[0], "瓶"]),
        ("がぎグ", ["か", "き", "ク"]),
        (
            "Đà Nẵng æon þing ðu ısı Œuvre",
            ["da", "nang", "aeon", "thing", "du", "isi", "oeuvre"],
        ),
        ("Қазақстан Ғылым Өзен", ["казакстан", "гылым", "озен"]),
        ("किताब क्यों", ["किताब", "क्यों"]),
        (
            "Donau\u00addampf می\u200cخواهم 1\ufe0f\u20e3",
            ["donaudampf", "میخواهم", "1"],
        ),
        ("ไข่ ad", ["ไข่", "ข่", "่", "ad"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("한국어", [unicodedata.normalize("NFD", "한국어")]),
        ("Молоко ЁЖ", ["молоко", "еж"]),
        ("🥛 🐄 — … %&", []),
        ("", []),
        ("\x00a\x00", ["a"]),
        ("12:30 3.14", ["12", "30", "3", "14"]),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_a_search_has_each_word_once() -> None:
    assert search_key("Milk and milk", "MILK, eggs") == "milk and | milk eggs"


def test_no_word_runs_over_from_one_text_to_the_next() -> None:
    assert search_key("butter", "milk") == "butter | milk"


def letters() -> list[tuple[str, str]]:
    """Letters of Latin, Greek and Cyrillic with something, and the same without."""
    found = []
    for letter in map(chr, range(0x20000)):
        name = unicodedata.name(letter, "")
        kind = unicodedata.category(letter)
        if not re.match("(LATIN|GREEK|CYRILLIC) (SMALL|CAPITAL) LETTER .* WITH ", name):
            continue
        with suppress(KeyError):
            bare = unicodedata.lookup(name.partition(" WITH ")[0])
            if kind in ("Lu", "Ll") and "·" not in unicodedata.normalize(
                "NFKD", letter
            ):
                found.append((letter, bare))
    return found


def test_a_letter_with_something_is_compared_as_the_letter() -> None:
    pairs = letters()
    # A half ring above is no mark, but an apostrophe of transliteration.
    others = [
        letter
        for letter, bare in pairs
        if sort_key(letter) != sort_key(bare) and letter != "ẚ"
    ]

    assert len(pairs) > 1_000
    assert others == []


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Łódź", "lodz"),
        ("Đà Nẵng", "da nang"),
        ("Øresund", "oresund"),
        ("Þingvellir", "thingvellir"),
        ("Ísafjörður", "isafjordur"),
        ("Gəncə", "gence"),
        ("ŋaŋ", "nan"),
        ("Straße", "strasse"),
        ("Ελλάς", "ελλασ"),
    ],
)
def test_titles_and_words_are_compared_by_the_same_letters(
    text: str, typed: str
) -> None:
    assert sort_key(text) == typed
    assert words(text) == typed.split()


@given(TEXT)
def test_a_text_is_found_by_what_is_asked_with_it(text: str) -> None:
    assert set(query_words(text)) <= set(words(text))


@given(st.text(st.sampled_from("กขคนมไาำ่้ะ"), min_size=1, max_size=30), st.data())
def test_a_part_of_a_run_without_spaces_is_found(run: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(run) - 1))
    part = run[start : data.draw(st.integers(start + 1, len(run)))]

    found = words(run)
    assert all(any(word.startswith(one) for word in found) for one in query_words(part))


@given(TEXT)
def test_a_word_means_nothing_to_a_query(text: str) -> None:
    """Neither to tsquery nor to FTS5: no quote, space, operator or NUL."""
    for word in words(text):
        assert 0 < len(word) <= WORD_LENGTH
        assert not set(word) & set("'\"\\ \t\n\x00&|!():*<>^+-_")
        assert all(letter.isalnum() for letter in word if letter.isascii())


@given(TEXT)
def test_a_text_is_found_by_its_own_words(text: str) -> None:
    stored = search_key(text, "").split(" ")

    assert set(words(text)) <= set(stored)
    assert words(text.upper()) == words(text.upper().lower()) or not text.isascii()


@given(TEXT)
def test_the_form_of_unicode_makes_no_difference(text: str) -> None:
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]

    assert words(forms[0]) == words(forms[1])
    assert sort_key(forms[0]) == sort_key(forms[1])
    assert casefold_key(forms[0]) == casefold_key(forms[1]) == casefold_key(text)


@given(TEXT)
def test_the_same_stays_the_same(name: str) -> None:
    assert casefold_key(casefold_key(name)) == casefold_key(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Home", "hOME"),
        ("Straße", "STRASSE"),
        ("café", "CAFE\u0301"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁ", "FI"),
    ],
)
def test_names_that_differ_in_case_only_are_the_same(one: str, other: str) -> None:
    assert casefold_key(one) == casefold_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("cafe", "café"), ("a b", "ab"), ("1", "①"), ("o", "ø")]
)
def test_other_names_are_others(one: str, other: str) -> None:
    assert casefold_key(one) != casefold_key(other)


def test_the_keys_of_the_longest_names_fit() -> None:
    """Folding makes a letter three at most, and what composes them back, fewer."""
    longest = max(
        len(casefold_key(chr(letter)))
        for letter in range(0x110000)
        if not _surrogate(letter)
    )

    assert longest == 3
    for length in (TAG_LENGTH, LIST_NAME_LENGTH):
        for letter in ("\U0001d1c0", "\ufb03", "\u0390", "\ufb2c", "x"):
            assert len(casefold_key(letter * length)) <= 3 * length


def _surrogate(letter: int) -> bool:
    return 0xD800 <= letter <= 0xDFFF


@pytest.mark.parametrize(
    ("title", "sorted_title"),
    [
        ("Éclair", "eclair"),
        ("ZEBRA 10", "zebra 10"),
        ("x" * 200, "x" * 200),
        ("ﷺ" * 200, unicodedata.normalize("NFKD", "ﷺ" * 200)[:200]),
        ("🥛", "🥛"),
    ],
)
def test_a_title_is_ordered_without_case_and_accents(
    title: str, sorted_title: str
) -> None:
    assert sort_key(title) == sorted_title
    assert len(sort_key(title)) <= SORT_KEY_LENGTH

"""Names and other text of one line, such as titles: which are valid, and when two are equal.

Line breaks and control characters (except tabs) are refused where a user can correct them,
and become spaces in imports. Text without a visible character counts as empty. Other
invisible characters are kept: joiners, directional marks and variation selectors belong to
scripts and emoji."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

#: Line breaks and control characters, which no field of one line can show, for a class of
#: a regular expression.
BREAKS = r"\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029"
#: Invisible characters of Unicode's first plane, for patterns that JavaScript can read without
#: its flag `u`, and all of them: white space and controls; Unicode's format characters (except the
#: visible ones, such as signs before Arabic and Kaithi numbers) and default ignorable ones;
#: and blank letters and symbols: fillers of Hangul and Khitan, the blank Braille pattern,
#: blanks of hieroglyphs, a musical note without a head.
INVISIBLE_OF_FIRST_PLANE = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5"
    r"\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
INVISIBLE = INVISIBLE_OF_FIRST_PLANE + (
    "\U00013430-\U0001343f\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
ON_ONE_LINE = (
    "Send it on one line: write a space for each line break or control character."
)
TO_BE_SEEN = "Send at least one character that can be seen."

#: Of a name and the one that was probably meant: at difflib's 0.6, `page` would be `parent`, and
#: `position` `description`.
LEAST_SIMILARITY = 0.65

_BREAK = re.compile(f"[{BREAKS}]+")
_VISIBLE = re.compile(f"[^{INVISIBLE}]")


def casefold_key(name: str) -> str:
    """A key that is equal for names that differ only in case."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def fault(text: str) -> str | None:
    """The error of a name, as a sentence that says what to do; None if it is valid."""
    if text.isascii() and text.isprintable() and not text.isspace():
        return None if text else TO_BE_SEEN
    if _BREAK.search(text):
        return ON_ONE_LINE
    return None if visible(text) else TO_BE_SEEN


def visible(text: str) -> bool:
    """Whether the text has a visible character."""
    return _VISIBLE.search(text) is not None


def one_line(text: str) -> str:
    """The text with spaces instead of line breaks, stripped."""
    return " ".join(part for line in _BREAK.split(text) if (part := line.strip()))


def close_to(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if there is one."""
    return next(iter(get_close_matches(name[:100], known, 1, LEAST_SIMILARITY)), None)


def unknown(name: str, known: Collection[str], kind: str) -> str:
    """The error text for an unknown name. `known` is shown in order if it has one."""
    close = close_to(name, known)
    if close is not None:
        return f"Unknown {kind} {name[:100]!r}; did you mean {close!r}?"
    in_order = known if isinstance(known, Sequence) else sorted(known)
    listed = ", ".join(in_order) or "none"
    return f"Unknown {kind} {name[:100]!r}; known here: {listed}."

"""Names, and all text of one line, such as titles: which are taken, and when two of them
are the same.

One rule for every door. A line break or a control character (but a tab) is refused where
somebody can mend it, and becomes a space in what is imported. Text in which nothing can be
seen is like none. Other invisible characters stay where somebody put them: joiners, marks
of direction, and variation selectors belong to scripts and emoji.
"""

import re
import unicodedata

#: What ends a line somewhere, and what no field of one line can show, as in a class of a
#: regular expression.
BREAKS = r"\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029"
#: What is drawn as nothing: white space and controls, what Unicode calls format characters
#: (without those that are drawn: signs before Arabic and Kaithi numbers, for instance) or
#: ignorable by default, and the letters and symbols that are blank: fillers of Hangul and
#: Khitan, the empty pattern of Braille, blanks of hieroglyphs, a note without a head.
INVISIBLE = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5"
    r"\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
ON_ONE_LINE = (
    "Send it on one line: write a space for each line break or control character."
)
TO_BE_SEEN = "Send at least one character that can be seen."

_BREAK = re.compile(f"[{BREAKS}]+")
_VISIBLE = re.compile(f"[^{INVISIBLE}]")


def casefold_key(name: str) -> str:
    """Equal for names that differ in case only."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def fault(text: str) -> str | None:
    """What is wrong with a name, as a sentence that says what to do; None for a good one."""
    if text.isascii() and text.isprintable() and not text.isspace():
        return None if text else TO_BE_SEEN
    if _BREAK.search(text):
        return ON_ONE_LINE
    return None if visible(text) else TO_BE_SEEN


def visible(text: str) -> bool:
    """Whether anything of the text can be seen."""
    return _VISIBLE.search(text) is not None


def one_line(text: str) -> str:
    """The text with a space for what stands between its lines, and none at its ends."""
    return " ".join(part for line in _BREAK.split(text) if (part := line.strip()))

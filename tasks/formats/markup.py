"""HTML as plain text: what other services keep their descriptions in."""

import re
from html.parser import HTMLParser

from tasks.formats.records import Refused

#: Characters of HTML. Its text is at most a tenth of it here, and the parser takes time
#: that grows with the square of what is malformed.
MARKUP_LENGTH = 100_000

# What is written in an editor begins with a tag; "a<b and b>c" is no HTML.
_BEGINNING = re.compile(
    r"\s*<(a|b|blockquote|body|br|code|div|em|h[1-6]|head|hr|html|i|img|input|label|li|ol"
    r"|meta|p|pre|s|script|span|strong|style|table|td|th|tr|u|ul)\b[^>]*>",
    re.IGNORECASE,
)
_BLOCKS = frozenset(
    ("blockquote", "body", "div", "hr", "html", "li", "ol", "p", "pre", "table", "tr")
    + ("ul", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "dt", "dd", "figure", "section")
)
_UNSEEN = frozenset(("script", "style", "title"))
# Tags that are removed. Other unknown tags are kept as they are written.
_FORM = frozenset(
    ("abbr", "article", "b", "big", "center", "cite", "code", "col", "colgroup", "del")
    + ("details", "em", "figcaption", "font", "footer", "form", "head", "header", "i")
    + ("input", "ins", "kbd", "label", "link", "main", "mark", "meta", "nav", "q", "s")
    + ("samp", "small", "span", "strike", "strong", "sub", "summary", "sup", "tbody")
    + ("tfoot", "thead", "tt", "u", "var", "wbr", "caption", "mention-user", "o:p")
    + ("a", "br", "img", "td", "th", "address", "picture", "source", "colgroup")
)
_SPACE = re.compile(r"[ \t\r\n\f]+")


def plain_text(markup: str, *, certain: bool = False) -> str:
    """The text of the HTML, with its lines, its items and the addresses of its links.
    Unless it is `certain` to be HTML, text that does not begin with a tag is given back
    as it is.

    Raises `Refused` for more than 100,000 characters.
    """
    if not (certain or _BEGINNING.match(markup)):
        return markup
    if len(markup) > MARKUP_LENGTH:
        raise Refused(
            f"The description has {len(markup):,} characters of HTML; at most "
            f"{MARKUP_LENGTH:,} are accepted."
        )
    reader = _Text()
    reader.feed(markup)
    reader.close()
    return reader.text()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        #: Whether the line has no text yet.
        self._beginning = True
        self._unseen = 0
        self._verbatim = 0
        self._items = 0
        #: The number of the next item, of each list that is open; 0 in a list of bullets.
        self._numbers: list[int] = []
        #: The addresses of the links that are open, and where their text began.
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        lines = [line.rstrip() for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._add("\n")
        elif tag in _BLOCKS:
            self._break()
        elif tag not in _FORM:
            self.handle_data(self.get_starttag_text() or "")
        if tag == "pre":
            self._verbatim += 1
        elif tag == "li":
            self._items += 1
            self._add(self._bullet(given.get("data-checked")), begins=True)
        elif tag in ("ol", "ul"):
            start = given.get("start") or ""
            first = int(start) if re.fullmatch(r"\d{1,9}", start, re.ASCII) else 1
            self._numbers.append(first if tag == "ol" else 0)
        elif tag in ("td", "th") and not self._beginning:
            self._add(" | ")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self._parts)))
        elif tag == "img":
            words = (given.get("alt"), given.get("src"))
            self._add(" ".join(word for word in words if word))

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self._break()
        elif tag not in _FORM:
            self.handle_data(f"</{tag}>")
        if tag in ("ol", "ul") and self._numbers:
            self._numbers.pop()
        if tag == "p" and not self._items:
            self._add("\n")
        elif tag == "li":
            self._items = max(0, self._items - 1)
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        elif tag == "a" and self._links:
            address, start = self._links.pop()
            if address and address not in "".join(self._parts[start:]):
                self._add(f" ({address})")

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        text = data if self._verbatim else _SPACE.sub(" ", data)
        # A paragraph within an item goes on after its bullet.
        self._add(text.lstrip() if self._beginning and not self._verbatim else text)

    def _add(self, text: str, *, begins: bool = False) -> None:
        """`begins` is for what stands before the text of its line."""
        if text:
            self._parts.append(text)
            self._beginning = begins or text.endswith("\n")

    def _break(self) -> None:
        if not self._beginning:
            self._add("\n")

    def _bullet(self, checked: str | None) -> str:
        """Vikunja's editor marks the items of its checklists."""
        if checked is not None:
            return "- [x] " if checked == "true" else "- [ ] "
        if not self._numbers or not self._numbers[-1]:
            return "- "
        self._numbers[-1] += 1
        return f"{self._numbers[-1] - 1}. "

"""HTML as plain text: what other services keep their descriptions in."""

import re
from html.parser import HTMLParser

from tasks.formats.records import Refused

#: Characters of HTML. Its text is at most a tenth of it here, and the parser takes time
#: that grows with the square of what is malformed.
MARKUP_LENGTH = 100_000

_TAG = re.compile(
    r"</?(a|b|blockquote|body|br|code|div|em|h[1-6]|hr|html|i|img|input|label|li|ol|p"
    r"|pre|s|span|strong|table|td|th|tr|u|ul)\b[^>]*>",
    re.IGNORECASE,
)
_BLOCKS = frozenset(
    ("blockquote", "body", "div", "hr", "html", "li", "ol", "p", "pre", "table", "tr")
    + ("ul", "h1", "h2", "h3", "h4", "h5", "h6")
)
_UNSEEN = frozenset(("script", "style", "title"))
_SPACE = re.compile(r"[ \t\r\n\f]+")


def plain_text(markup: str) -> str:
    """The text of the HTML, with its lines, its items and the addresses of its links.
    Text that has no tag in it is given back as it is.

    Raises `Refused` for more than 100,000 characters.
    """
    if not _TAG.search(markup):
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
        self._unseen = 0
        self._verbatim = 0
        self._items = 0
        #: The addresses of the links that are open, and where their text began.
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        lines = [line.strip() for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._parts.append("\n")
        elif tag in _BLOCKS:
            self._break()
        if tag == "pre":
            self._verbatim += 1
        elif tag == "li":
            self._items += 1
            self._parts.append(_bullet(given.get("data-checked")))
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self._parts)))
        elif tag == "img" and (source := given.get("src") or given.get("alt")):
            self._parts.append(source)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self._break()
        if tag == "p" and not self._items:
            self._parts.append("\n")
        elif tag == "li":
            self._items = max(0, self._items - 1)
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        elif tag == "a" and self._links:
            address, start = self._links.pop()
            if address and address not in "".join(self._parts[start:]):
                self._parts.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        text = data if self._verbatim else _SPACE.sub(" ", data)
        # A paragraph within an item goes on after its bullet.
        if text.strip() or not self._at_start():
            self._parts.append(text)

    def _at_start(self) -> bool:
        return not self._parts or self._parts[-1].endswith(("\n", "- ", "] "))

    def _break(self) -> None:
        if not self._at_start():
            self._parts.append("\n")


def _bullet(checked: str | None) -> str:
    """Vikunja's editor marks the items of its checklists."""
    if checked is None:
        return "- "
    return "- [x] " if checked == "true" else "- [ ] "

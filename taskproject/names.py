"""Names: when two of them are the same."""

import unicodedata


def same(name: str) -> str:
    """Equal for names that differ in case only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

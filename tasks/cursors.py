"""Cursors: where a page of a list ended, in a form that clients hand back unread."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from taskproject.problems import Invalid

BIGINT = 2**63 - 1


def encode(kind: str, number: int) -> str:
    """The cursor of a page that ended with this number; `kind` says which list's."""
    return urlsafe_b64encode(f"{kind}:{number}".encode()).decode().rstrip("=")


def decode(cursor: str, kind: str, parameter: str = "cursor", least: int = 1) -> int:
    """The number the page ended with; `Invalid` for anything that `encode` did not make
    for a list of this kind. `parameter` is what the cursor came in."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        word, _, digits = (
            urlsafe_b64decode(padded.encode("ascii")).decode().partition(":")
        )
        number = int(digits) if digits.isascii() and digits.isdigit() else -1
    except (ValueError, UnicodeError):
        word, number = "", -1
    if word != kind or not least <= number <= BIGINT or encode(kind, number) != cursor:
        detail = "Send the next_cursor of the page before, unchanged."
        pointer = f"/{parameter}"
        raise Invalid(
            detail,
            errors=[
                {"in": "query", "pointer": pointer, "code": "cursor", "detail": detail}
            ],
        )
    return number

"""Cursors: where a page of a list ended, in a form that clients hand back unread."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from taskproject.problems import Invalid

BIGINT = 2**63 - 1


def encode(task_id: int) -> str:
    """The cursor of the page that ended with this task."""
    return urlsafe_b64encode(f"before:{task_id}".encode()).decode().rstrip("=")


def decode(cursor: str) -> int:
    """The task that the page ended with; `Invalid` for anything that we did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        word, _, digits = (
            urlsafe_b64decode(padded.encode("ascii")).decode().partition(":")
        )
        task_id = int(digits) if digits.isascii() and digits.isdigit() else 0
    except (ValueError, UnicodeError):
        word, task_id = "", 0
    if word != "before" or not 1 <= task_id <= BIGINT or encode(task_id) != cursor:
        detail = "Send the next_cursor of the page before, unchanged."
        raise Invalid(
            detail,
            errors=[
                {
                    "in": "query",
                    "pointer": "/cursor",
                    "code": "cursor",
                    "detail": detail,
                }
            ],
        )
    return task_id

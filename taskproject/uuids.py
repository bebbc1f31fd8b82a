"""UUIDs as text (RFC 9562)."""

import re
from uuid import UUID

#: Hexadecimal digits of either case with hyphens.
PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_PATTERN = re.compile(PATTERN.strip("^$"))
EXAMPLE = "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90"


def parse_uuid(text: str) -> UUID | None:
    """The UUID; None for other text, for other ways to write one, and for the one that is all
    zeros, which programs send when they have none."""
    value = UUID(text) if _PATTERN.fullmatch(text) else None
    return value if value and value.int else None

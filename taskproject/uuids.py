"""UUIDs as text (RFC 9562)."""

import re
from uuid import UUID

#: In hexadecimal digits of either case with hyphens, and not all zeros: programs send
#: that one when they have none.
PATTERN = (
    "^(?!0{8}-0{4}-0{4}-0{4}-0{12}$)[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
)
_PATTERN = re.compile(PATTERN.removesuffix("$"))
EXAMPLE = "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90"


def parse_uuid(text: str) -> UUID | None:
    """The UUID; None for other text, and for other ways to write one."""
    return UUID(text) if _PATTERN.fullmatch(text) else None

"""The names of the IANA's time zone database."""

from functools import cache
from zoneinfo import available_timezones


@cache
def names() -> frozenset[str]:
    """All of them, read once: listing them walks a directory."""
    return frozenset(available_timezones())

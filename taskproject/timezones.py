"""Time zones: those of the pinned `tzdata` package, on every host.

The files of a host's own (`/usr/share/zoneinfo`) differ from one host to the next, in
names and in rules; settings.py sees to it that `zoneinfo` does not read them.
"""

from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from zoneinfo import ZoneInfo

#: Names of the database that are no zones: "not set", and what a host is set to.
NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
#: The release of the package: 2026.6 has the IANA's 2026f.
VERSION = metadata.version("tzdata")


def now() -> datetime:
    """The time. (Django's function asks a setting first, which takes longer.)"""
    return datetime.now(UTC)


@cache
def names() -> frozenset[str]:
    """All names of zones, read once."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(listed.split()) - NO_ZONES


def known(name: str) -> str:
    """The name, or UTC for one that is no zone: it was stored by a release, or on a host,
    that had it."""
    return name if name in names() else "UTC"


def zone(name: str) -> ZoneInfo:
    """The zone of this name; UTC where there is none."""
    return _zone(known(name))


@cache
def _zone(name: str) -> ZoneInfo:
    # ZoneInfo's own cache holds on to eight: others are read from their files again.
    return ZoneInfo(name)

"""Time zones: those of the pinned `tzdata` package, on every host.

The files of a host (`/usr/share/zoneinfo`) differ from those of others in names and in
rules; settings.py prevents `zoneinfo` from reading them.
"""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import metadata, resources
from zoneinfo import ZoneInfo

#: Names in the package that are not time zones: "not set", and the setting of a host.
NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
#: Of a misspelt name to a name, as difflib counts it: berln is Berlin, Frankfurt not Tirane.
LEAST_SIMILARITY = 0.85
#: The beginnings of the names that end with a city.
CONTINENTS = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)
#: The release of the package: 2026.6 has the IANA's 2026f.
VERSION = metadata.version("tzdata")


def now() -> datetime:
    """The current time. (Django's function reads a setting first, which takes longer.)"""
    return datetime.now(UTC)


@cache
def names() -> frozenset[str]:
    """The names of all time zones, cached."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(listed.split()) - NO_ZONES


@lru_cache(256)
def advice(name: str) -> str:
    """What to send instead of a name that is none, as the end of a sentence: the zone whose name
    or city was probably meant, or an example."""
    close = get_close_matches(_spelling(name), _spelled(), 1, LEAST_SIMILARITY)
    meant = f"did you mean {_spelled()[close[0]]}?" if close else ""
    return meant or "send one like Europe/Lisbon."


@cache
def _spelled() -> dict[str, str]:
    cities = {
        _spelling(name.rpartition("/")[2]): name
        for name in sorted(names(), reverse=True)
        if name.startswith(CONTINENTS)
    }
    return cities | {_spelling(name): name for name in names()}


def _spelling(name: str) -> str:
    return name[:64].replace(" ", "").replace("_", "").lower()


def known(name: str) -> str:
    """The name, or UTC if it is not a time zone: another release, or the files of a host, may
    have had a zone of that name when it was stored."""
    return name if name in names() else "UTC"


def zone(name: str) -> ZoneInfo:
    """The time zone with this name; UTC if there is none."""
    return _zone(known(name))


@cache
def _zone(name: str) -> ZoneInfo:
    # ZoneInfo's cache keeps eight; others would be read from their files again.
    return ZoneInfo(name)


def local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in this zone shows at the instant, without the zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which a clock in this zone shows the time: the earlier, if it shows it twice,
    unless its `fold` is 1; the first after it, if it is passed over."""
    first = local.replace(tzinfo=zone).astimezone(UTC)
    if local_time(first, zone) == local:
        return first
    # Passed over: the clock was put forward between these two instants.
    before, after = local.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if local_time(middle, zone) < local:
            before = middle
        else:
            after = middle
    return after

"""Fields of the forms: text that stands for tags, and for an instant in a zone."""

import csv
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import ProhibitNullCharactersValidator

from taskproject import timezones
from tasks.forms.optimistic_lock import lines
from tasks.limits import FIRST_DAY, LAST_DAY, MOST_TAGS, TAG_LENGTH

_refuse_nul = ProhibitNullCharactersValidator()
_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:T| +)"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r" ?(Z|[+-][0-9]{2}:[0-9]{2})?)"
)


class DescriptionField(forms.CharField):
    """Text as it is stored. A form sends every line end as CRLF, which would count
    double, and Django would strip the text."""

    def to_python(self, value: object) -> str:
        return lines(super().to_python(value) or "")


class TagsField(forms.Field):
    """The names of tags, parted by commas; one with a comma in it stands in quotation
    marks, as in a CSV file."""

    widget = forms.TextInput

    def to_python(self, value: object) -> list[str]:
        text = "" if value is None else str(value).strip()
        try:
            rows = list(csv.reader([text], skipinitialspace=True, strict=True))
        except csv.Error:
            raise forms.ValidationError(
                'Close every quotation mark, and write "" for one within a name.'
            ) from None
        return [name for row in rows for part in row if (name := part.strip())]

    def validate(self, value: list[str]) -> None:
        if len(value) > MOST_TAGS:
            raise forms.ValidationError(f"Write at most {MOST_TAGS} tags.")
        if any(len(name) > TAG_LENGTH for name in value):
            raise forms.ValidationError(
                f"A tag has at most {TAG_LENGTH} characters; put commas between tags."
            )

    def run_validators(self, value: list[str]) -> None:
        for name in value:
            _refuse_nul(name)

    def has_changed(self, initial: object, data: object) -> bool:
        """Whether the names differ; a line of text holds no line breaks of theirs."""
        try:
            after = self.to_python(data)
        except forms.ValidationError:
            return True
        before = initial if isinstance(initial, list) else self.to_python(initial)
        return [*map(_one_line, before)] != [*map(_one_line, after)]


def _one_line(name: str) -> str:
    return re.sub("[\r\n]", "", name)


def tag_text(names: Iterable[str]) -> str:
    """The names as `TagsField` reads them."""
    return ", ".join(map(_cell, names))


def _cell(name: str) -> str:
    if not re.search('[,"\r\n]', name):
        return name
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def moment_text(moment: datetime | None, zone: str | None) -> str:
    """An instant by the clocks of a zone, with its offset where they show it twice."""
    if moment is None:
        return ""
    there = timezones.zone(zone or "UTC")
    local = moment.astimezone(there)
    plain = local.replace(tzinfo=None, fold=0)
    shown = local if _twice(plain, there) else plain
    precise = local.second or local.microsecond
    return shown.isoformat(" ", "auto" if precise else "minutes")


def read_moment(text: str, zone: str) -> datetime:
    """The instant that the text tells, in UTC; by the clocks of the zone if it tells no
    offset. Raises ValidationError."""
    moment = None
    written = _MOMENT.fullmatch(text)
    if written:
        with suppress(ValueError, OverflowError):
            time = written["time"].replace(" ", "")
            time = time.zfill(len(time) + (time[1] == ":"))
            moment = datetime.fromisoformat(f"{written['day']} {time}")
            if moment.tzinfo is None:
                moment = _in_zone(moment, timezones.zone(zone))
            moment = moment.astimezone(UTC)
    if moment is None:
        raise forms.ValidationError(
            "Write a day and a time, such as 2026-12-31 17:30 (24 hours)."
        )
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise forms.ValidationError("Choose a day from the years 1900 to 2999.")
    return moment


def _in_zone(plain: datetime, zone: ZoneInfo) -> datetime:
    there = plain.replace(tzinfo=zone)
    if there.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != plain:
        raise forms.ValidationError(
            "Clocks there are put forward over this time: it does not come."
        )
    if _twice(plain, zone):
        first = there.isoformat(" ", "minutes")[-6:]
        raise forms.ValidationError(
            "Clocks there are put back over this time: it comes twice. Write its offset "
            f"behind it, such as {first}."
        )
    return there


def _twice(plain: datetime, zone: ZoneInfo) -> bool:
    first, second = (plain.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offsets = first.utcoffset(), second.utcoffset()
    assert offsets[0] is not None and offsets[1] is not None
    # (In a gap the second offset is the larger one.)
    return offsets[0] > offsets[1]

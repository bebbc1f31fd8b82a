"""Form fields: names of tags as text, days, and instants in a time zone as text."""

import csv
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import ProhibitNullCharactersValidator

from taskproject import timezones
from tasks.forms.optimistic_lock import lines
from tasks.limits import FIRST_DAY, LAST_DAY, MAX_TAGS, TAG_LENGTH

_refuse_nul = ProhibitNullCharactersValidator()
_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:T| +)"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r" ?(Z|[+-][0-9]{2}:[0-9]{2})?)"
)


class DescriptionField(forms.CharField):
    """Text that is not stripped, with LF line ends (forms send CRLF, which would count
    as two characters)."""

    def to_python(self, value: object) -> str:
        return lines(super().to_python(value) or "")


class DayField(forms.DateField):
    """A day of the years that a due date may have."""

    def validate(self, value: date | None) -> None:
        super().validate(value)
        if value is not None:
            _check_year(value)


class ListField(forms.Field):
    """A list that is entered as text."""

    def compared(self, value: Any) -> object:
        """What of the values tells whether they were changed."""
        return value

    def has_changed(self, initial: object, data: object) -> bool:
        try:
            after = self.to_python(data)
        except forms.ValidationError:
            return True
        before = initial if isinstance(initial, list) else self.to_python(initial)
        return self.compared(before) != self.compared(after)


class TagsField(ListField):
    """Names of tags, separated by commas. Names with a comma are in quotation marks, as in
    CSV files."""

    widget = forms.TextInput

    def to_python(self, value: object) -> list[str]:
        text = "" if value is None else str(value).strip()
        try:
            rows = list(csv.reader([text], skipinitialspace=True, strict=True))
        except csv.Error:
            raise forms.ValidationError(
                'Close every quotation mark, and enter "" for one within a name.'
            ) from None
        return [name for row in rows for part in row if (name := part.strip())]

    def validate(self, value: list[str]) -> None:
        if len(value) > MAX_TAGS:
            raise forms.ValidationError(f"Enter at most {MAX_TAGS} tags.")
        if any(len(name) > TAG_LENGTH for name in value):
            raise forms.ValidationError(
                f"A tag has at most {TAG_LENGTH} characters; separate tags by commas."
            )

    def run_validators(self, value: list[str]) -> None:
        for name in value:
            _refuse_nul(name)

    def compared(self, value: list[str]) -> object:
        """The names without line breaks, which the input drops."""
        return [*map(_one_line, value)]


def _one_line(name: str) -> str:
    return re.sub("[\r\n]", "", name)


def tag_text(names: Iterable[str]) -> str:
    """The names as text, for `TagsField`."""
    return ", ".join(map(_cell, names))


def _cell(name: str) -> str:
    if not re.search('[,"\r\n]', name):
        return name
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def moment_text(moment: datetime | None, zone: str | None) -> str:
    """An instant in a time zone; with its offset if the local time is ambiguous."""
    if moment is None:
        return ""
    there = timezones.zone(zone or "UTC")
    local = moment.astimezone(there)
    plain = local.replace(tzinfo=None, fold=0)
    shown = local if _twice(plain, there) else plain
    precise = local.second or local.microsecond
    return shown.isoformat(" ", "auto" if precise else "minutes")


def read_moment(text: str, zone: str) -> datetime:
    """The instant in UTC that the text means, in the time zone if it has no offset.
    Raises ValidationError."""
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
            "Enter a day and a time, such as 2026-12-31 17:30 (24 hours)."
        )
    _check_year(moment.date())
    return moment


def _check_year(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise forms.ValidationError("Choose a day from the years 1900 to 2999.")


def _in_zone(plain: datetime, zone: ZoneInfo) -> datetime:
    there = plain.replace(tzinfo=zone)
    if there.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != plain:
        raise forms.ValidationError(
            "This time does not exist there: clocks are put forward over it."
        )
    if _twice(plain, zone):
        first = there.isoformat(" ", "minutes")[-6:]
        raise forms.ValidationError(
            "This time exists twice there: clocks are put back over it. Add its offset, "
            f"such as {first}."
        )
    return there


def _twice(plain: datetime, zone: ZoneInfo) -> bool:
    first, second = (plain.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offsets = first.utcoffset(), second.utcoffset()
    assert offsets[0] is not None and offsets[1] is not None
    # (In a gap the second offset is the larger one.)
    return offsets[0] > offsets[1]

"""A form field that every app shares."""

import re

from django import forms

from taskproject.names import fault, one_line


class OneLineField(forms.CharField):
    """A name in an input of one line.

    Browsers drop the line breaks of the value of such an input, so that it would be sent
    back altered. A stored value with line breaks is shown with spaces instead, and counts
    as unchanged if it is sent back so, even if it breaks today's rule for names.
    """

    def prepare_value(self, value: object) -> object:
        return one_line(value) if isinstance(value, str) and fault(value) else value

    def has_changed(self, initial: object, data: object) -> bool:
        if not (isinstance(initial, str) and isinstance(data, str)):
            return super().has_changed(initial, data)
        return one_line(data) not in (one_line(initial), joined(initial))

    def _clean_bound_field(self, bound: forms.BoundField) -> object:
        """Django's, without validation of unchanged values."""
        if bound.initial and not self.has_changed(bound.initial, bound.data):
            return bound.initial
        value: object = super()._clean_bound_field(bound)  # type: ignore[misc]  # not in the stubs
        return value

    def validate(self, value: str | None) -> None:
        super().validate(value)
        wrong = fault(value) if value else None
        if wrong:
            raise forms.ValidationError(wrong)


def joined(text: str) -> str:
    """A value as an input of one line sends it: stripped, without line breaks."""
    return re.sub("[\r\n]", "", text).strip()

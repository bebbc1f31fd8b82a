"""Form fields that every app shares."""

import re
from typing import Any

from django import forms

from taskproject.names import fault, one_line


class OneLineField(forms.CharField):
    """A name, in an input of one line.

    Browsers drop the line breaks of a value that such an input is given, and what is sent
    back differs from what is stored: it is shown with spaces instead, and what comes back
    as it was shown leaves what is stored alone, whatever the rule for names is by now.
    """

    def prepare_value(self, value: object) -> Any:
        return one_line(value) if isinstance(value, str) and fault(value) else value

    def has_changed(self, initial: object, data: object) -> bool:
        if not (isinstance(initial, str) and isinstance(data, str)):
            return super().has_changed(initial, data)
        return one_line(data) not in (one_line(initial), joined(initial))

    def _clean_bound_field(self, bound: Any) -> Any:
        """Django's, which judges what nobody touched as well."""
        if bound.initial and not self.has_changed(bound.initial, bound.data):
            return bound.initial
        return super()._clean_bound_field(bound)  # type: ignore[misc]  # not in the stubs

    def validate(self, value: Any) -> None:
        super().validate(value)
        wrong = fault(value) if value else None
        if wrong:
            raise forms.ValidationError(wrong)


def joined(text: str) -> str:
    """A value as an input of one line sends it."""
    return re.sub("[\r\n]", "", text).strip()

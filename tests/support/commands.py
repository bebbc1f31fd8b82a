"""Commands of manage.py, run within the tests' own process."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


def run(command: str, *arguments: str) -> tuple[str, str]:
    """Standard output and standard error."""
    output, error = StringIO(), StringIO()
    call_command(command, *arguments, stdout=output, stderr=error)
    return output.getvalue(), error.getvalue()


def refused(command: str, *arguments: str) -> str:
    """What the command says where it refuses its arguments."""
    with pytest.raises(CommandError) as caught:
        run(command, *arguments)
    return str(caught.value)

"""Limits that stand elsewhere too, where they cannot be taken from `tasks.limits`"""

from typing import get_args

import pytest

from taskproject.accounts.models import User
from tasks import limits
from tasks.api import field_types
from tasks.formats import records
from tasks.models import PRIORITIES


def test_a_username_is_as_long_as_django_keeps_it() -> None:
    assert limits.USERNAME_LENGTH == User._meta.get_field("username").max_length


def test_the_model_and_the_schemas_have_the_same_priorities_in_the_same_order() -> None:
    assert {word: number for number, word in enumerate(limits.PRIORITIES)} == PRIORITIES
    assert get_args(get_args(field_types.Priority.__value__)[0]) == limits.PRIORITIES


def test_a_position_in_a_file_is_as_long_as_one_in_the_database() -> None:
    longest = "i" * limits.POSITION_LENGTH

    record = records.ListRecord("a", longest)
    assert records.checked(record) == record
    with pytest.raises(records.Refused, match="position"):
        records.checked(records.ListRecord("a", longest + "i"))

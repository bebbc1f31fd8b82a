"""The formats are pure and name the bounds anew: they are those of the models."""

import pytest

from taskproject.accounts.models import User
from tasks import models
from tasks.formats import records
from tasks.models import Task, bounds, dues, positions


@pytest.mark.parametrize(
    ("named", "real"),
    [
        (records.TITLE_LENGTH, models.TITLE_LENGTH),
        (records.DESCRIPTION_LENGTH, models.DESCRIPTION_LENGTH),
        (records.LIST_NAME_LENGTH, models.LIST_NAME_LENGTH),
        (records.TAG_LENGTH, models.TAG_LENGTH),
        (records.MOST_TAGS, models.MOST_TAGS),
        (records.ID_LENGTH, bounds.EXTERNAL_ID_LENGTH),
        (records.OWNER_LENGTH, User._meta.get_field("username").max_length),
        (records.FIRST_DAY, dues.FIRST_DUE),
        (records.LAST_DAY, dues.LAST_DUE),
        (list(records.PRIORITIES), Task.Priority.labels),
    ],
)
def test_a_bound_is_that_of_the_models(named: object, real: object) -> None:
    assert named == real


def test_a_position_is_as_long_as_the_models_keep_it_and_no_longer() -> None:
    longest = "i" * positions.POSITION_LENGTH

    record = records.ListRecord("a", longest)
    assert records.checked(record) == record
    with pytest.raises(records.Refused, match="position"):
        records.checked(records.ListRecord("a", longest + "i"))

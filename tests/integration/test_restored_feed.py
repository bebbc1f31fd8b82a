"""GET /api/changes with a cursor of before a restore of the database"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Event
from tests.conftest import ApiClient, make_task
from tests.integration.test_list_changes import ask, changes, nothing


@pytest.mark.parametrize("later", [False, True])
def test_a_cursor_of_before_a_restore_is_410_with_where_to_restart(
    api: ApiClient, alice: User, bob: User, later: bool
) -> None:
    """The backup lacks the last two events; after it, ids were skipped."""
    kept = make_task(alice)
    at_backup = changes(api)["next_cursor"]
    lost = [changes(api)["next_cursor"] for _ in range(2) if make_task(alice)]
    Event.objects.filter(sequence__gt=Event.objects.earliest("sequence").pk).delete()
    make_task(bob)
    if later:
        api.send("POST", f"/api/tasks/{kept.pk}/complete")

    for cursor in lost:
        answer = ask(api, f"after={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")
        assert "GET /api/snapshot" in answer.json()["detail"]
        restart = answer.json()["restart"]["cursor"]
        assert changes(api, restart) == nothing(restart)
        assert ask(api, f"after={cursor}&task={kept.pk}").status_code == 410
    verbs = [item["verb"] for item in changes(api, at_backup)["items"]]
    assert verbs == ["completed"] * later

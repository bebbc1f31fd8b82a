"""The tallies that are kept, and what counting gives."""

from datetime import date

from tasks.models import Label, Tally, Task
from tasks.models.due_dates import NEVER

Counts = dict[tuple[int, str, int], tuple[int, int]]


def tallies() -> Counts:
    """What is stored, but for what there is none of."""
    stored = Tally.objects.values_list("owner_id", "kind", "key", "open", "completed")
    counts = {tuple(it[:3]): tuple(it[3:]) for it in stored}
    assert all(number >= 0 for pair in counts.values() for number in pair)
    return {key: pair for key, pair in counts.items() if any(pair)}  # type: ignore[misc]


def recounted() -> Counts:
    """What there is, counted task by task."""
    counts: Counts = {}
    carried: dict[int, list[int]] = {}
    for task_id, tag_id in Label.objects.values_list("task_id", "tag_id"):
        carried.setdefault(task_id, []).append(tag_id)
    for task in Task.objects.live():
        places = [("all", 0), ("list", task.list_id or 0)]
        if task.due_moment < NEVER:
            places.append(("due", (task.due_moment.date() - date(1970, 1, 1)).days))
        for kind, key in [
            *places,
            *(("tag", tag_id) for tag_id in carried.get(task.pk, ())),
        ]:
            opened, completed = counts.get((task.owner_id, kind, key), (0, 0))
            counts[task.owner_id, kind, key] = (
                opened + (not task.completed),
                completed + task.completed,
            )
    return counts


def assert_right(said: object = "") -> None:
    assert tallies() == recounted(), said

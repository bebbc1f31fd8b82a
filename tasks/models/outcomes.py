"""What came of a change of tasks, and to which versions of them it may be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.models.tasks import Task


@dataclass
class Outcome:
    """What a verb did: the tasks it found, as they were, and those it changed, as they
    are now. A task that already was as asked for, or whose version was not the expected
    one, is found and not changed; one that was changed without a look at it first is
    changed and not found."""

    found: dict[int, Task] = field(default_factory=dict)
    changed: dict[int, Task] = field(default_factory=dict)
    #: The changes that the events of one task told since the version that it was expected
    #: to be at, by versions, where they were read with it.
    events: dict[str, Any] | None = None


#: The versions that a change may be made to: of any of the tasks, or of each by its key.
Versions = set[int] | Mapping[int, set[int]] | None


def expected(task: Task, versions: Versions) -> bool:
    """Whether the task is at a version that a change may be made to."""
    if isinstance(versions, Mapping):
        versions = versions.get(task.pk)
    return versions is None or task.version in versions

"""The result of a change of tasks, and the versions to which it may be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.models.events import Changes

if TYPE_CHECKING:
    from tasks.models.tasks import Task


@dataclass
class Outcome:
    """The result of a verb: the tasks it found, as they were before, and those it changed, as they
    are now. A task that needed no change, or had another version than expected, is found and not
    changed. A task that was changed without being read first is changed and not found."""

    found: dict[int, Task] = field(default_factory=dict)
    changed: dict[int, Task] = field(default_factory=dict)
    #: The changes of one task since its expected version, by versions, if they were read
    #: with it.
    events: dict[str, Changes] | None = None


#: The versions to which a change may be made: of all tasks, or of each by its id.
Versions = set[int] | Mapping[int, set[int]] | None


def expected(task: Task, versions: Versions) -> bool:
    """Whether the change may be made to the version of the task."""
    if isinstance(versions, Mapping):
        versions = versions.get(task.pk)
    return versions is None or task.version in versions

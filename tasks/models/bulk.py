"""Bulk changes: one change of many tasks that staff have selected, of any owners.

The selection is stored when it is made, so that what is confirmed is what was shown. It is
done in portions, each in a transaction that also stores the outcome: a portion is done once,
by whichever process, and undone exactly, as changes with events of their own."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple, Self

from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

from taskproject.models import expiry_cutoff
from taskproject.names import casefold_key
from taskproject.problems import Conflict
from taskproject.sql import ON_POSTGRESQL
from tasks.fields import Values
from tasks.models import bulk_writes
from tasks.models.events import Actor
from tasks.models.tags import Label
from tasks.models.task_queryset import TaskQuerySet
from tasks.models.tasks import Task

#: Most tasks of one bulk change.
MAX_SELECTED = 100_000
#: Most tasks, and most owners, of a portion. It takes a quarter of a second, during which the
#: other writers of these owners wait.
PORTION = 250
MAX_OWNERS = 25
#: How long a bulk change or an import can be confirmed after it was shown, and undone after
#: its end.
CONFIRMED_WITHIN = timedelta(hours=1)
UNDONE_WITHIN = timedelta(minutes=10)
#: Most owners that a preview names, and most tasks that a report does.
SHOWN = 20
REPORTED = 200


def is_within(period: timedelta, moment: datetime | None) -> bool:
    """Whether this moment is so long ago at most; not if there is none."""
    return moment is not None and timezone.now() < moment + period


class Verb(NamedTuple):
    """A kind of bulk change, as it is shown before and afterwards; the permission that it
    needs, as the name of the admin's check; whether it leaves out the trash."""

    title: str
    done: str
    permission: str = "change"
    frozen: bool = True
    undoable: bool = True


VERBS = {
    "complete": Verb("Complete", "Completed"),
    "reopen": Verb("Reopen", "Reopened"),
    "priority": Verb("Set the priority to {}", "Priority {}:"),
    "place": Verb("Put into the list “{}”", "Put into {}:", "place"),
    "take_out": Verb("Take out of their lists", "Taken out of their lists:"),
    "add_tags": Verb("Add the tags {}", "Added the tags {}:"),
    "remove_tags": Verb("Remove the tags {}", "Removed the tags {}:"),
    "due": Verb("Set the due date to {}", "Due {}:"),
    "assign": Verb("Assign to {}", "Assigned to {}:", "assign"),
    "trash": Verb("Move to the trash", "Moved to the trash:", "delete"),
    "restore": Verb("Restore from the trash", "Restored", "restore", frozen=False),
    "remove": Verb(
        "Delete permanently",
        "Deleted permanently:",
        "remove",
        frozen=False,
        undoable=False,
    ),
}


class BulkChangeQuerySet(models.QuerySet["BulkChange"]):
    def select(
        self,
        actor_id: int,
        verb: str,
        tasks: models.QuerySet[Task],
        query: str,
        **values: object,
    ) -> "BulkChange | None":
        """Stores a change of these tasks, to be confirmed; None if there are more than
        MAX_SELECTED. `query` is that of the list that they were selected in."""
        found = tasks.order_by().values_list("owner_id", "pk")[: MAX_SELECTED + 1]
        rows = sorted(found)
        if len(rows) > MAX_SELECTED:
            return None
        with transaction.atomic():
            change = self.create(
                actor_id=actor_id,
                verb=verb,
                values=values,
                query=query,
                total=len(rows),
            )
            keys = _cut(rows, PORTION)
            BulkPortion.objects.bulk_create(
                [BulkPortion(change=change, keys=some) for some in keys], batch_size=50
            )
        return change

    def expired(self) -> Self:
        """Those that are as old as stored responses may be."""
        return self.filter(created_at__lt=expiry_cutoff())


class State(models.TextChoices):
    SELECTED = "selected"
    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class Preview(NamedTuple):
    """What a change would do. `same` is the number of tasks that have the values already."""

    changed: int
    same: int
    trashed: int
    gone: int
    #: The numbers of tasks by the names of their owners, largest first, and the number of
    #: owners that are left out.
    owners: list[tuple[str, int]]
    more_owners: int
    #: Tasks that an assignment takes out of a list, and that it leaves out.
    listed: int = 0
    family: int = 0


class BulkChange(models.Model):
    """One change of many tasks: selected, then confirmed, done, and perhaps undone."""

    id = models.BigAutoField(primary_key=True)
    # No foreign key: events keep their actor too.
    actor_id = models.BigIntegerField()
    verb = models.CharField(max_length=20)
    # `fields`: attributes of the tasks, as JSON; or `tags`, the names to add or to remove.
    # `shown`: the same for people. Empty as long as they are not chosen.
    values = models.JSONField(default=dict)
    query = models.TextField(default="")
    state = models.CharField(max_length=20, default=State.SELECTED)
    total = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(null=True)

    objects = BulkChangeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.title} ({self.total} tasks)"

    @property
    def kind(self) -> Verb:
        return VERBS[self.verb]

    @property
    def title(self) -> str:
        return self.kind.title.format(self.values.get("shown", "…"))

    def by(self) -> Actor:
        return Actor(self.actor_id, "admin")

    def is_confirmable(self) -> bool:
        fresh = is_within(CONFIRMED_WITHIN, self.created_at)
        return self.state == State.SELECTED and fresh

    def is_undoable(self) -> bool:
        """Whether it has an end, ten minutes ago at most, and can be undone at all."""
        fresh = is_within(UNDONE_WITHIN, self.finished_at)
        return self.kind.undoable and self.state == State.DONE and fresh

    def check_in_time(self) -> None:
        """Raises `Conflict` if it is too late to confirm or to undo it."""
        if self.state == State.SELECTED and not self.is_confirmable():
            raise Conflict(
                "It was shown more than an hour ago. Select the tasks again."
            )
        if self.state == State.DONE and not self.is_undoable():
            raise Conflict("A bulk change can be undone for ten minutes.")

    def fields(self) -> Values:
        """The attributes of tasks that it sets."""
        fields: Values = dict(self.values.get("fields", {}))
        if fields.get("due_date"):
            fields["due_date"] = date.fromisoformat(fields["due_date"])
        if fields.get("due_at"):
            fields["due_at"] = datetime.fromisoformat(fields["due_at"])
        return fields

    def tasks(self) -> TaskQuerySet:
        """The selected tasks that exist."""
        if ON_POSTGRESQL:
            read = 'jsonb_array_elements_text("keys")::bigint FROM "tasks_bulkportion"'
        else:
            read = '"value" FROM "tasks_bulkportion", json_each("keys")'
        keys = RawSQL(f'SELECT {read} WHERE "change_id" = %s', [self.pk])
        return Task.objects.filter(pk__in=keys)

    def preview(self) -> Preview:
        """Reads the tasks as they are now, in one statement, and the names of owners."""
        families = Exists(Task.objects.filter(parent_id=OuterRef("pk")))
        counts = {
            "all": models.Count("pk"),
            "trash": models.Count("pk", Q(deleted_at__isnull=False)),
            "same": models.Count("pk", self._same()),
        }
        if self.verb == "assign":
            live = Q(deleted_at__isnull=True) & ~self._same()
            family = Q(families) | Q(parent_id__isnull=False)
            counts["family"] = models.Count("pk", live & family)
            counts["listed"] = models.Count(
                "pk", live & ~family & Q(list_id__isnull=False)
            )
        found = self.tasks().order_by().values_list("owner_id").annotate(**counts)
        names = [*counts]
        totals: Counter[str] = Counter()
        owned: Counter[int] = Counter()
        for owner_id, *numbers in found:
            totals.update(dict(zip(names, numbers, strict=True)))
            owned[owner_id] = numbers[0]
        frozen = totals["trash"] if self.kind.frozen else 0
        left = totals["same"] + frozen + totals["family"]
        return Preview(
            changed=totals["all"] - left,
            same=totals["same"],
            trashed=frozen,
            gone=self.total - totals["all"],
            owners=_named(owned.most_common(SHOWN)),
            more_owners=max(0, len(owned) - SHOWN),
            listed=totals["listed"],
            family=totals["family"],
        )

    def _same(self) -> Q:
        """The condition of the tasks that need no change. Those in the trash are counted
        apart, except for verbs that change these."""
        match self.verb:
            case "restore":
                return Q(deleted_at__isnull=True)
            case "trash" | "remove":
                return Q(pk__in=[])
            case "complete" | "reopen":
                same = Q(completed=self.verb == "complete")
            case "take_out":
                same = Q(list_id__isnull=True)
            case "add_tags" | "remove_tags":
                labels = [
                    Q(Exists(Label.objects.filter(task=OuterRef("pk"), tag__key=key)))
                    for key in map(casefold_key, self.values.get("tags", ()))
                ]
                same = Q()
                for has in labels:
                    same &= has if self.verb == "add_tags" else ~has
            case _:
                same = Q(
                    **{
                        f"{name}__isnull" if value is None else name: value is None
                        or value
                        for name, value in self.fields().items()
                    }
                )
        return same & Q(deleted_at__isnull=True)

    def counts(self) -> dict[str, int]:
        """The numbers of tasks that are changed, refused, undone, and not undone."""
        counts: Counter[str] = Counter()
        for portion in self.portions.defer("keys"):
            counts.update(portion.counts())
        return counts

    def refused(self) -> list[tuple[int, str]]:
        """The tasks that the last step left out, and the reasons, up to REPORTED."""
        undone = self.state in (State.UNDOING, State.UNDONE)
        found: list[tuple[int, str]] = []
        for portion in self.portions.defer("keys").order_by("pk"):
            told = (portion.undone if undone else portion.done) or {}
            found += [(int(key), why) for key, why in told.get("refused", {}).items()]
            if len(found) > REPORTED:
                break
        return found[:REPORTED]

    def next_portion(self) -> "BulkPortion | None":
        """The next portion that is to be done or undone."""
        todo = self.portions.filter(done__isnull=True)
        if self.state == State.UNDOING:
            todo = self.portions.filter(done__isnull=False, undone__isnull=True)
        return todo.order_by("pk").first()

    def do_portion(self) -> int | None:
        """Does, or undoes, the next portion. Returns the number of its tasks; None at the end.
        Call it in a transaction that has locked this row."""
        portion = self.next_portion()
        if portion is None:
            undone = self.state == State.UNDOING
            self.state = State.UNDONE if undone else State.DONE
            self.finished_at = self.finished_at or timezone.now()
            self.save(update_fields=["state", "finished_at"])
            return None
        if self.state == State.UNDOING:
            portion.undone = bulk_writes.undo(self, portion.done or {})
            portion.save(update_fields=["undone"])
        else:
            portion.done = bulk_writes.do(self, portion.keys)
            portion.save(update_fields=["done"])
        return len(portion.keys)


class BulkPortion(models.Model):
    """Tasks of a bulk change that are changed in one transaction."""

    id = models.BigAutoField(primary_key=True)
    change = models.ForeignKey(BulkChange, models.CASCADE, related_name="portions")
    #: Their ids.
    keys = models.JSONField()
    # What was done: the newest event before it (`after`), the versions of the tasks that it
    # changed, and the reasons of those that it left out, by ids; what was undone.
    done: "models.JSONField[dict[str, object] | None]" = models.JSONField(null=True)
    undone: "models.JSONField[dict[str, object] | None]" = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{len(self.keys)} tasks of {self.change_id}"

    def counts(self) -> dict[str, int]:
        done, undone = self.done or {}, self.undone or {}
        return {
            "changed": len(done.get("changed", ())),
            "refused": len(done.get("refused", ())),
            "undone": undone.get("count", 0),
            "kept": len(undone.get("refused", ())),
        }


def _cut(rows: Iterable[tuple[int, int]], most: int) -> Iterator[list[int]]:
    """The ids of the rows, which are sorted by owner, in portions."""
    keys: list[int] = []
    owners: set[int] = set()
    for owner_id, key in rows:
        if len(keys) == most or (owner_id not in owners and len(owners) == MAX_OWNERS):
            yield keys
            keys, owners = [], set()
        keys.append(key)
        owners.add(owner_id)
    if keys:
        yield keys


def _named(owners: list[tuple[int, int]]) -> list[tuple[str, int]]:
    names = get_user_model().objects.in_bulk([key for key, _ in owners])
    return [(str(names.get(key, key)), count) for key, count in owners]

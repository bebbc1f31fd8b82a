"""Uploads: files of tasks that staff import in the admin.

A file is read once, when it is uploaded. What becomes of each row is stored for the preview,
and the valid records for the import, so that what is confirmed is what was shown, whichever
process or machine does it. A file with rows that lack an owner is stored too, so that one can
be chosen. All is deleted with the upload (see `expired`)."""

from typing import Self

from django.db import models
from django.utils import timezone

from taskproject.models import expiry_cutoff
from taskproject.problems import Conflict
from tasks.models.bulk import CONFIRMED_WITHIN, UNDONE_WITHIN, is_within
from tasks.models.events import Actor


class UploadState(models.TextChoices):
    READING = "reading"
    SHOWN = "shown"
    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class UploadQuerySet(models.QuerySet["Upload"]):
    def expired(self) -> Self:
        """Those that are as old as stored responses may be."""
        return self.filter(created_at__lt=expiry_cutoff())


class Upload(models.Model):
    """One file: read, shown, then confirmed and imported, and perhaps undone."""

    id = models.BigAutoField(primary_key=True)
    # No foreign key: events keep their actor too.
    actor_id = models.BigIntegerField()
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=20)
    state = models.CharField(max_length=20, default=UploadState.READING)
    # What would become of its rows, in numbers: see `tasks.upload_imports.read_upload`.
    summary: "models.JSONField[dict[str, object]]" = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(null=True)

    objects = UploadQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def by(self) -> Actor:
        return Actor(self.actor_id, "admin")

    def can_be_read_again(self) -> bool:
        """Whether its file is stored, and was not imported."""
        shown = self.state == UploadState.SHOWN
        return shown and UploadFile.objects.filter(upload=self).exists()

    @property
    def total(self) -> int:
        """The number of its records."""
        return sum(map(len, self.portions.values_list("owners", flat=True)))

    def is_confirmable(self) -> bool:
        fresh = is_within(CONFIRMED_WITHIN, self.created_at)
        return self.state == UploadState.SHOWN and fresh

    def is_undoable(self) -> bool:
        """Whether its import ended, ten minutes ago at most."""
        fresh = is_within(UNDONE_WITHIN, self.finished_at)
        return self.state == UploadState.DONE and fresh

    def check_in_time(self) -> None:
        """Raises `Conflict` if it is too late to confirm or to undo it."""
        if self.state == UploadState.SHOWN and not self.is_confirmable():
            raise Conflict("It was shown more than an hour ago. Upload the file again.")
        if self.state == UploadState.DONE and not self.is_undoable():
            raise Conflict("An import can be undone for ten minutes.")

    def has_others(self) -> bool:
        """Whether it has records of other users than the one who uploaded it."""
        owners = self.portions.values_list("owners", flat=True)
        return any(owner != self.actor_id for some in owners for owner, _ in some)


class UploadFile(models.Model):
    """The file itself."""

    upload = models.OneToOneField(
        Upload, models.CASCADE, primary_key=True, related_name="file"
    )
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"The file of {self.upload_id}"


class UploadPage(models.Model):
    """What becomes of some rows of the file, in their order: line, result, title and reason of
    each."""

    id = models.BigAutoField(primary_key=True)
    upload = models.ForeignKey(Upload, models.CASCADE, related_name="pages")
    rows = models.JSONField()

    def __str__(self) -> str:
        return f"{len(self.rows)} rows of {self.upload_id}"


class UploadPortion(models.Model):
    """Records that are stored in one transaction."""

    id = models.BigAutoField(primary_key=True)
    upload = models.ForeignKey(Upload, models.CASCADE, related_name="portions")
    #: The owner and the line of each record, and the records, as JSON Lines.
    owners = models.JSONField()
    records = models.TextField()
    # What was stored: numbers, the lines and reasons of records that were not, and the ids of
    # the new rows; what was undone of it: numbers, and the reasons of rows that stay.
    done: "models.JSONField[dict[str, object] | None]" = models.JSONField(null=True)
    undone: "models.JSONField[dict[str, object] | None]" = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{len(self.owners)} records of {self.upload_id}"

"""Models that every app shares: stored responses, jobs and a cache."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone


class StoredResponseQuerySet(models.QuerySet["StoredResponse"]):
    def expired(self) -> Self:
        return self.filter(created_at__lt=expiry_cutoff())


class StoredResponse(models.Model):
    """The first response to a request with an Idempotency-Key, committed in the
    transaction of the request."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    # SHA-256 of method, path, query, If-Match and body: a different request with this key
    # is refused.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = StoredResponseQuerySet.as_manager()

    class Meta:
        db_table = "taskproject_storedanswer"  # of the model's first name
        constraints = (
            models.UniqueConstraint(
                fields=["owner", "key"], name="stored_answer_key_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.status} for {self.key}"


def expiry_cutoff() -> datetime:
    """Responses and jobs that are older have expired."""
    return timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)


class JobQuerySet(models.QuerySet["Job"]):
    def unfinished(self) -> Self:
        """Oldest first."""
        return self.filter(finished_at__isnull=True).order_by("pk")

    def expired(self) -> Self:
        """Those that finished longer ago than responses are stored."""
        return self.filter(finished_at__lt=expiry_cutoff())

    def about(self, subject: str, subject_id: int) -> "Job | None":
        """The unfinished job about this row, of which there is at most one."""
        return self.unfinished().filter(subject=subject, subject_id=subject_id).first()


class Job(models.Model):
    """A change of more rows than one request may write, done in portions.

    Each portion is a transaction of its own, which updates `done` as well, so that an
    interrupted job can be resumed. See `taskproject.jobs`.
    """

    id = models.BigAutoField(primary_key=True)
    # What is done: `delete` or `rename`, to which row. No foreign keys: a job outlives
    # the row that it deletes, and its owner.
    verb = models.CharField(max_length=20)
    subject = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    owner_id = models.BigIntegerField()
    # The actor of its events, and how they authenticated.
    actor_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=20)
    arguments = models.JSONField(default=dict)
    # Rows: how many there were when it began, and how many of them are done.
    total = models.BigIntegerField()
    done = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["subject", "subject_id"],
                condition=models.Q(finished_at__isnull=True),
                name="job_one_about_a_row",
            ),
        )
        indexes = (models.Index(fields=["finished_at"], name="job_finished"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"

    @property
    def kind(self) -> str:
        """Such as `delete_list`."""
        return f"{self.verb}_{self.subject}"

    def as_dict(self) -> dict[str, object]:
        """The public representation."""
        return {
            "id": self.pk,
            "kind": self.kind,
            "status": "done" if self.finished_at else "running",
            "done": self.done,
            "total": max(self.total, self.done),
            "created_at": self.created_at,
            "finished_at": self.finished_at,
        }


class CacheEntry(models.Model):
    """The table of Django's `DatabaseCache`, which holds the limits of sign-ups and the like
    for all processes. Nothing of the API's other operations is cached here."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "taskproject_cache"

    def __str__(self) -> str:
        return self.cache_key


class RefusedRequests(models.Model):
    """The number of API requests that got a response with this status, 400 or above, in the
    hour that began at `hour`. See `taskproject.refusals`."""

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    status = models.PositiveSmallIntegerField()
    number = models.PositiveBigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "status"], name="refused_requests_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.number} × {self.status}"

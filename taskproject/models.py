"""The answers that are kept so that a request can be repeated safely."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone


class StoredAnswerQuerySet(models.QuerySet["StoredAnswer"]):
    def expired(self) -> Self:
        return self.filter(created_at__lt=_horizon())


class StoredAnswer(models.Model):
    """The first answer to a request with an Idempotency-Key, committed together with
    what the request did."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    # SHA-256 of method, path, query, If-Match and body: another request may not take the key.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = StoredAnswerQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["owner", "key"], name="stored_answer_key_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.status} for {self.key}"

    def is_expired(self) -> bool:
        return self.created_at < _horizon()


def _horizon() -> datetime:
    """Answers from before it are kept no longer."""
    return timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)

"""Calendar feeds: a secret address at which a calendar reads what is due."""

import hashlib
import secrets
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

SHOWN_CHARACTERS = 8
SECRET_BYTES = 32


class CalendarFeedQuerySet(models.QuerySet["CalendarFeed"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def opened_by(self, secret: str) -> Self:
        """The one with this secret, of an active user. Its digest is looked up, so that
        the time taken says nothing about other secrets."""
        return self.filter(digest=_digest(secret), owner__is_active=True)

    def issue(self, owner_id: int) -> tuple["CalendarFeed", str]:
        """Gives the owner a feed with a new secret, instead of the one before; returns
        it and the secret: the only moment at which it can be seen."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        values = {
            "prefix": secret[:SHOWN_CHARACTERS],
            "digest": _digest(secret),
            "created_at": timezone.now(),
        }
        feed, _ = self.update_or_create(owner_id=owner_id, defaults=values)
        return feed, secret

    def revoke(self) -> int:
        """Stops the feeds at once; returns how many there were."""
        count, _ = self.delete()
        return count


class CalendarFeed(models.Model):
    """A user's calendar feed. Of its secret only the SHA-256 is stored."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    prefix = models.CharField(max_length=SHOWN_CHARACTERS, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CalendarFeedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.prefix}…"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

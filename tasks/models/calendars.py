"""Calendar feeds, which have secret addresses."""

import secrets
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from taskproject.accounts.models import digest

SHOWN_CHARACTERS = 8
SECRET_BYTES = 32


class CalendarFeedQuerySet(models.QuerySet["CalendarFeed"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def opened_by(self, secret: str) -> Self:
        """The feed with this secret, if its user is active. The digest is looked up, so that timing
        reveals nothing about other secrets."""
        return self.filter(digest=digest(secret), owner__is_active=True)

    def issue(self, owner_id: int) -> tuple["CalendarFeed", str]:
        """Gives the owner a feed with a new secret; the previous feed stops. Returns the feed and the
        secret, which is not stored itself."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        values = {
            "prefix": secret[:SHOWN_CHARACTERS],
            "digest": digest(secret),
            "created_at": timezone.now(),
        }
        feed, _ = self.update_or_create(owner_id=owner_id, defaults=values)
        return feed, secret

    def revoke(self) -> int:
        """Deletes the feeds, which stops them at once; returns how many there were."""
        count, _ = self.delete()
        return count


class CalendarFeed(models.Model):
    """A user's calendar feed. Only the SHA-256 of its secret is stored."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    prefix = models.CharField(max_length=SHOWN_CHARACTERS, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CalendarFeedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.prefix}…"

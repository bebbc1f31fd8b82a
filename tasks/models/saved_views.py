"""Saved views of the admin's list of tasks."""

from typing import Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import Case, Q, When

NAME_LENGTH, QUERY_LENGTH, COLUMNS_LENGTH = 60, 2_000, 200
#: Most views that a user has, and most that a list offers.
MAX_VIEWS, MAX_OFFERED = 50, 100


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, user_id: int) -> Self:
        """Those of the user, which are first, and the shared ones; each with its owner."""
        seen = self.filter(Q(owner_id=user_id) | Q(shared=True))
        others = Case(When(owner_id=user_id, then=0), default=1)
        return seen.select_related("owner").order_by(others, "name", "pk")

    def keep(self, owner_id: int, name: str, **values: object) -> "SavedView | None":
        """Adds a view, or replaces the owner's view of this name. None if the owner has
        MAX_VIEWS others."""
        with transaction.atomic():
            get_user_model().lock(owner_id)
            mine = self.filter(owner_id=owner_id)
            if mine.exclude(name=name).count() >= MAX_VIEWS:
                return None
            return mine.update_or_create(owner_id=owner_id, name=name, defaults=values)[
                0
            ]


class SavedView(models.Model):
    """Filters, an order and columns under a name, for its owner or for all staff."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH)
    shared = models.BooleanField(default=False)
    # The query of the list's address, in which `o` has names of columns.
    query = models.CharField(max_length=QUERY_LENGTH, blank=True)
    # The names of the columns, separated by commas.
    columns = models.CharField(max_length=COLUMNS_LENGTH)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions = (("share_savedview", "Can share views of the list of tasks"),)
        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_once"),
        )

    def __str__(self) -> str:
        return self.name

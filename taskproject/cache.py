"""The cache in the database (CACHES), by which django-allauth knows the codes that were used."""

from typing import Any

from django.core.cache.backends import db
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.db import OperationalError


class DatabaseCache(db.DatabaseCache):
    def add(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Django's, which returns False where a statement fails too, as for a key that is there: the
        right code of an app would be refused as one that was used."""
        added = super().add(key, value, timeout, version)
        if not added and not self.has_key(key, version):
            raise OperationalError("the cache cannot be written")
        return added

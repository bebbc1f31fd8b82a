"""Text that the database compares byte by byte."""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class BytewiseField(models.CharField):
    """Ordered by its bytes on every database: SQLite does so by itself, and PostgreSQL
    by the collation "C", whatever the database's own collation is."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters

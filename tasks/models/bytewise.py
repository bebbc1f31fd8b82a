"""Text that the database compares byte by byte."""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class BytewiseField(models.CharField):
    """Text ordered by its bytes on every database: on SQLite always, on PostgreSQL by the
    collation "C", whatever the collation of the database."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters

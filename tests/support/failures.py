"""Failures of the database in the midst of a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def no_inserts(table: str) -> Iterator[None]:
    """The database refuses rows of this table. Not within a transaction of the test."""
    if connection.vendor == "sqlite":
        make = f"""CREATE TRIGGER no_inserts BEFORE INSERT ON {table}
            BEGIN SELECT RAISE(ABORT, 'no inserts'); END"""
        drop = "DROP TRIGGER no_inserts"
    else:
        make = f"""CREATE FUNCTION no_inserts() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no inserts'; END $$;
            CREATE TRIGGER no_inserts BEFORE INSERT ON {table}
            EXECUTE FUNCTION no_inserts()"""
        drop = "DROP FUNCTION no_inserts() CASCADE"
    with connection.cursor() as cursor:
        cursor.execute(make)
        yield
        cursor.execute(drop)

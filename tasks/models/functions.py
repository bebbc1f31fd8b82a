"""Conditions that PostgreSQL is told in fewer words than the ORM's own (see constraints.py)."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func, IntegerField
from django.db.models.sql.compiler import SQLCompiler
from django.utils.deconstruct import deconstructible

#: A part of a statement, and its parameters.
SQL = tuple[str, tuple[str | int, ...]]


@deconstructible(path="tasks.models.functions.Among")
class Among(Func):
    """Whether a text is one of these words, which are made of letters."""

    output_field = BooleanField()

    def __init__(self, text: str, words: list[str]) -> None:
        super().__init__(text)
        self.words = words

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: str
    ) -> SQL:
        words = ", ".join(f"'{word}'" for word in self.words)
        template = f"%(expressions)s IN ({words})"
        return self.as_sql(compiler, connection, template=template, **options)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: str
    ) -> SQL:
        words = f"'{{{','.join(self.words)}}}'::text[]"
        template = f"%(expressions)s = ANY ({words})"
        return self.as_sql(compiler, connection, template=template, **options)


@deconstructible(path="tasks.models.functions.Filled")
class Filled(Func):
    """Whether a column is not null. (The ORM's IsNull cannot be compared with another
    condition: of a value it makes no SQL, and `full_clean` would judge wrongly.)"""

    template = "(%(expressions)s IS NOT NULL)"
    output_field = BooleanField()


@deconstructible(path="tasks.models.functions.Given")
class Given(Func):
    """How many of these columns are not null."""

    function = "num_nonnulls"
    output_field = IntegerField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: str
    ) -> SQL:
        return self.as_sql(
            compiler,
            connection,
            template="((%(expressions)s) IS NOT NULL)",
            arg_joiner=") IS NOT NULL) + ((",
            **options,
        )

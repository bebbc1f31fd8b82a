"""SQL functions for constraints, shorter on PostgreSQL than the ORM's (see constraints.py)."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func, IntegerField
from django.db.models.sql.compiler import SQLCompiler
from django.utils.deconstruct import deconstructible

#: SQL, and its parameters.
SQL = tuple[str, tuple[str | int, ...]]


@deconstructible(path="tasks.models.functions.Among")
class Among(Func):
    """Whether a text is one of these words, which consist of letters."""

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
    """Whether a column is not null. (The ORM's IsNull cannot be compared with another condition: it
    compiles to no SQL for a constant, and `full_clean` would be wrong.)"""

    template = "(%(expressions)s IS NOT NULL)"
    output_field = BooleanField()


@deconstructible(path="tasks.models.functions.Given")
class Given(Func):
    """The number of these columns that are not null."""

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


@deconstructible(path="tasks.models.functions.Within")
class Within(Func):
    """Whether a text has at least one character, and no more than its column holds. PostgreSQL
    knows that of the type of a column already."""

    output_field = BooleanField()

    def __init__(self, text: str, most: int) -> None:
        super().__init__(text)
        self.most = most

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: str
    ) -> SQL:
        template = f"length(%(expressions)s) BETWEEN 1 AND {self.most}"
        return self.as_sql(compiler, connection, template=template, **options)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: str
    ) -> SQL:
        template = "%(expressions)s <> ''"
        return self.as_sql(compiler, connection, template=template, **options)

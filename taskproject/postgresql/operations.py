"""Migration operations that let the traffic pass, and can be run again after a failure.

On PostgreSQL an index is built CONCURRENTLY, and a constraint is added NOT VALID, which
needs no more than a moment's lock, and validated beside the traffic. On SQLite they are
Django's own, but for a rewording, which is nothing there. A migration of them has
``atomic = False``; each takes away what a run that failed has left of it.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddIndex, AlterConstraint
from django.db.migrations.state import ProjectState
from django.db.models import Model


class AddIndexOnline(AddIndexConcurrently):
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            AddIndex.database_forwards(
                self, app_label, schema_editor, from_state, to_state
            )
            return
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            AddIndex.database_backwards(
                self, app_label, schema_editor, from_state, to_state
            )


class AddConstraintOnline(AddConstraint):
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        name = schema_editor.quote_name(self.constraint.name)
        created = str(self.constraint.create_sql(model, schema_editor))
        if created.startswith("CREATE UNIQUE INDEX"):  # one with a condition
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            schema_editor.execute(created.replace("INDEX", "INDEX CONCURRENTLY", 1))
            return
        _check(schema_editor, model, name, created)


class RewordConstraintOnline(AlterConstraint):
    """Another condition that says the same: on SQLite, where a constraint cannot change
    without the table being made anew, the old one stays."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._reword(app_label, schema_editor, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._reword(app_label, schema_editor, to_state)

    def _reword(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        model = state.apps.get_model(app_label, self.model_name)
        [constraint] = [
            each for each in model._meta.constraints if each.name == self.name
        ]
        created = str(constraint.create_sql(model, schema_editor))
        _check(schema_editor, model, schema_editor.quote_name(self.name), created)


def _check(
    schema_editor: BaseDatabaseSchemaEditor, model: type[Model], name: str, created: str
) -> None:
    """Puts a constraint of one row in the place of the one of that name, if there is."""
    table = schema_editor.quote_name(model._meta.db_table)
    replaced = f"DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT"
    schema_editor.execute(created.replace("ADD CONSTRAINT", replaced, 1) + " NOT VALID")
    schema_editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")

"""Migration operations that do not block other transactions, and can be repeated.

On PostgreSQL an index is built CONCURRENTLY; a constraint is added NOT VALID, which locks
the table only briefly, and then validated without blocking writes. On SQLite they are
Django's operations, and rewording a constraint does nothing. Migrations that use them
have ``atomic = False``; each operation first drops what a failed run has left.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddIndex, AlterConstraint
from django.db.migrations.state import ProjectState
from django.db.models import Index, Model


class AddIndexOnline(AddIndexConcurrently):
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        name = schema_editor.quote_name(self.index.name)
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
            AddIndex.database_forwards(
                self, app_label, schema_editor, from_state, to_state
            )
            return
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


class ReplaceIndexOnline(AddIndex):
    """Replace an index by another one of its name. On PostgreSQL the old one serves until
    the new one is built."""

    atomic = False

    def __init__(self, model_name: str, index: Index, replaced: Index) -> None:
        super().__init__(model_name, index)
        self.replaced = replaced

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        name, args, kwargs = super().deconstruct()
        return name, [*args], {**kwargs, "replaced": self.replaced}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.remove_index(app_label, self.model_name_lower, self.index.name)
        super().state_forwards(app_label, state)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._replace(app_label, schema_editor, to_state, self.replaced, self.index)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._replace(app_label, schema_editor, to_state, self.index, self.replaced)

    def _replace(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        state: ProjectState,
        old: Index,
        new: Index,
    ) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.remove_index(model, old)
            schema_editor.add_index(model, new)
            return
        name = schema_editor.quote_name(old.name)
        building = new.clone()
        building.name = f"{old.name[:26]}_new"
        built = schema_editor.quote_name(building.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {built}")
        created = str(building.create_sql(model, schema_editor, concurrently=True))
        schema_editor.execute(created)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        schema_editor.execute(f"ALTER INDEX {built} RENAME TO {name}")


class AddConstraintOnline(AddConstraint):
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        name = schema_editor.quote_name(self.constraint.name)
        if schema_editor.connection.vendor != "postgresql":
            # That of a unique constraint with a condition, which SQLite has as an index.
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        created = str(self.constraint.create_sql(model, schema_editor))
        if created.startswith("CREATE UNIQUE INDEX"):  # one with a condition
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            schema_editor.execute(created.replace("INDEX", "INDEX CONCURRENTLY", 1))
            return
        _replace_check(schema_editor, model, name, created)


class RewordConstraintOnline(AlterConstraint):
    """Replace a constraint by an equivalent one. On SQLite, where that would remake the
    table, the old one stays."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        [constraint] = [
            each for each in model._meta.constraints if each.name == self.name
        ]
        created = str(constraint.create_sql(model, schema_editor))
        _replace_check(
            schema_editor, model, schema_editor.quote_name(self.name), created
        )

    database_backwards = database_forwards


class ReplaceConstraintOnline(RewordConstraintOnline):
    """Replace a check constraint by another one of its name. SQLite makes the table anew."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        if schema_editor.connection.vendor != "postgresql":
            model = to_state.apps.get_model(app_label, self.model_name)
            # With all constraints of the model.
            schema_editor.add_constraint(model, model._meta.constraints[0])

    database_backwards = database_forwards


def _replace_check(
    schema_editor: BaseDatabaseSchemaEditor, model: type[Model], name: str, created: str
) -> None:
    """Add a check constraint instead of the one of that name, if there is one."""
    table = schema_editor.quote_name(model._meta.db_table)
    replaced = f"DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT"
    schema_editor.execute(created.replace("ADD CONSTRAINT", replaced, 1) + " NOT VALID")
    schema_editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")

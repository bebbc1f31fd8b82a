"""The permission to see the tasks of other users, and the group "Task editors".

Until now staff with a permission on tasks, lists or tags saw those of all users. They keep
that: users and groups with such a permission get the new one. The group has no more than
editing needs: no permanent deletion, no deletion of lists, and none to see the tasks of
others."""

from django.db import migrations

MODELS = ("task", "tasklist", "tag")
SEE_ALL = ("view_all_tasks", "Can view tasks, lists and tags of all users")
GROUP = "Task editors"
EDITING = {
    "task": ("view", "add", "change", "delete"),  # to the trash
    "tasklist": ("view", "add", "change"),
    "tag": ("view", "change"),
}
NAMES = {"task": "task", "tasklist": "task list", "tag": "tag"}


def forward(apps, schema_editor):
    using = schema_editor.connection.alias
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    User = apps.get_model("accounts", "User")
    types = {
        model: ContentType.objects.using(using).get_or_create(
            app_label="tasks", model=model
        )[0]
        for model in MODELS
    }
    permissions = Permission.objects.using(using)

    def permission(model, codename, name):
        # Django creates the permissions of a new database after its migrations.
        return permissions.get_or_create(
            content_type=types[model], codename=codename, defaults={"name": name}
        )[0]

    see_all = permission("task", *SEE_ALL)
    held = permissions.filter(content_type__in=types.values()).exclude(pk=see_all.pk)
    for holders in (Group.permissions.through, User.user_permissions.through):
        [holder] = {"group_id", "user_id"} & {
            field.attname for field in holders._meta.fields
        }
        rows = holders.objects.using(using)
        keys = rows.filter(permission__in=held).values_list(holder, flat=True)
        holders.objects.using(using).bulk_create(
            [
                holders(**{holder: key, "permission_id": see_all.pk})
                for key in sorted(set(keys))
            ],
            ignore_conflicts=True,
        )
    group, created = Group.objects.using(using).get_or_create(name=GROUP)
    if created:
        group.permissions.set(
            permission(model, f"{verb}_{model}", f"Can {verb} {NAMES[model]}")
            for model, verbs in EDITING.items()
            for verb in verbs
        )


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0028_saved_views"),
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="task",
            options={
                "permissions": (
                    ("remove_task", "Can delete tasks permanently"),
                    SEE_ALL,
                )
            },
        ),
        migrations.RunPython(forward, migrations.RunPython.noop),
    ]

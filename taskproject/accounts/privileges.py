"""Which permissions staff may grant, and which accounts they may edit: nobody gains a
permission through the admin that the editor does not have, and only superusers edit
superusers."""

from typing import TypeVar

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from taskproject.accounts.models import User

Row = TypeVar("Row", bound=Model)

# What the holder of a token can do, as permissions.
_READ = (
    *("tasks.view_task", "tasks.view_tasklist", "tasks.view_tag"),
    "tasks.view_all_tasks",
)
_WRITE = (
    *(f"tasks.{verb}_task" for verb in ("add", "change", "delete", "remove")),
    *(f"tasks.{verb}_tasklist" for verb in ("add", "change", "delete")),
    *("tasks.change_tag", "tasks.delete_tag"),
)
#: The permissions that a token gives, by its scopes. The response to a write has the task,
#: so that it includes reading.
OPENED_BY = {"read": _READ, "write": _READ + _WRITE, "read write": _READ + _WRITE}


def viewer(request: HttpRequest) -> User:
    """The user of the page. (All pages of the admin require a login.)"""
    assert isinstance(request.user, User)
    return request.user


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the user may view the rows of this model, and so choose among them."""
    return admin.site.get_model_admin(model).has_view_permission(request)


def sees_all(request: HttpRequest) -> bool:
    """Whether the user may see the tasks, lists and tags of other users."""
    return viewer(request).has_perm("tasks.view_all_tasks")


def visible(request: HttpRequest, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of the tasks, lists or tags that the user may see: all, or their own."""
    return rows if sees_all(request) else rows.filter(owner=viewer(request))


def may_choose_owner(request: HttpRequest) -> bool:
    """Whether the user may give tasks and lists to other users."""
    return sees_all(request) and may_see(request, User)


def held(user: User) -> QuerySet[Permission]:
    """The permissions of the user, direct or by groups, also while the account is inactive."""
    permissions = Permission.objects.all()
    if user.is_superuser:
        return permissions
    keys = permissions.filter(Q(user=user) | Q(group__user=user)).order_by()
    return permissions.filter(pk__in=keys.values("pk"))


def grantable_groups(user: User) -> QuerySet[Group]:
    """The groups whose permissions the user all has."""
    groups = Group.objects.all()
    if user.is_superuser:
        return groups
    beyond = Permission.objects.exclude(pk__in=held(user).order_by().values("pk"))
    return groups.exclude(pk__in=beyond.filter(group__isnull=False).values("group"))


def may_edit_user(user: User, other: User) -> bool:
    """Whether the other user has no permission that the user lacks: setting the password of
    somebody allows to sign in as them."""
    if user.is_superuser or user.pk == other.pk:
        return True
    if other.is_superuser:
        return False
    mine = held(user).order_by().values("pk")
    return not held(other).order_by().exclude(pk__in=mine).exists()


def may_edit_group(user: User, group: Group) -> bool:
    return grantable_groups(user).filter(pk=group.pk).exists()


def may_issue_token(user: User, other: User, scopes: str) -> bool:
    """Whether the user may create a token that acts as the other: always for oneself; for others
    if one may edit them, and has the permissions that the token gives."""
    if user.is_superuser or user.pk == other.pk:
        return True
    opened = OPENED_BY.get(scopes, ())
    return may_edit_user(user, other) and user.has_perms(opened)

"""What a member of staff may grant, and whose accounts they may edit: nobody gains a right
through the admin that the person at the keyboard does not hold, and only superusers edit
superusers."""

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from taskproject.accounts.models import User

# What somebody can do with a token of another user's, as permissions.
_READ = ("tasks.view_task", "tasks.view_tasklist", "tasks.view_tag")
_WRITE = (
    *(f"tasks.{verb}_task" for verb in ("add", "change", "delete", "remove")),
    *(f"tasks.{verb}_tasklist" for verb in ("add", "change", "delete")),
    *("tasks.change_tag", "tasks.delete_tag"),
)
#: The permissions that a token opens up, by its scopes. A write is answered with the task,
#: so that it reads, too.
OPENED_BY = {"read": _READ, "write": _READ + _WRITE, "read write": _READ + _WRITE}


def viewer(request: HttpRequest) -> User:
    """Who looks at the page; every page of the admin is behind its login."""
    assert isinstance(request.user, User)
    return request.user


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the viewer may look through the rows of this model, and so choose among
    them."""
    return admin.site.get_model_admin(model).has_view_permission(request)


def held(user: User) -> QuerySet[Permission]:
    """The permissions of the user, given directly or by a group, whether or not the
    account is active at the moment."""
    permissions = Permission.objects.all()
    if user.is_superuser:
        return permissions
    keys = permissions.filter(Q(user=user) | Q(group__user=user)).order_by()
    return permissions.filter(pk__in=keys.values("pk"))


def grantable_groups(user: User) -> QuerySet[Group]:
    """The groups that give nothing but what the user holds."""
    groups = Group.objects.all()
    if user.is_superuser:
        return groups
    beyond = Permission.objects.exclude(pk__in=held(user).order_by().values("pk"))
    return groups.exclude(pk__in=beyond.filter(group__isnull=False).values("group"))


def may_edit_user(user: User, other: User) -> bool:
    """Whether the other holds nothing that the user lacks: who sets the password of
    somebody can sign in as them."""
    if user.is_superuser or user.pk == other.pk:
        return True
    if other.is_superuser:
        return False
    mine = held(user).order_by().values("pk")
    return not held(other).order_by().exclude(pk__in=mine).exists()


def may_edit_group(user: User, group: Group) -> bool:
    return grantable_groups(user).filter(pk=group.pk).exists()


def may_issue_token(user: User, other: User, scopes: str) -> bool:
    """Whether the user may make a token that acts as the other: for oneself always; for
    somebody else who may edit them, and holds what the token opens up."""
    if user.is_superuser or user.pk == other.pk:
        return True
    opened = OPENED_BY.get(scopes, ())
    return may_edit_user(user, other) and user.has_perms(opened)

"""What staff may grant in the admin: no more than they hold, and to no superuser."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from taskproject.accounts.models import ApiToken, User
from tasks.models import Task, TaskList
from tests.conftest import make_task, make_token
from tests.support.admin import (
    ADD,
    LIST,
    LISTS,
    Form,
    as_staff,
    open_form,
    page_of,
    text,
)
from tests.support.rows import make_list

pytestmark = pytest.mark.either_database

USERS = "/admin/accounts/user/"
GROUPS = "/admin/auth/group/"
TOKENS = "/admin/accounts/apitoken/"
PASSWORD = "correct horse battery"
TASKS = ("view_task", "add_task", "change_task", "delete_task", "remove_task")
EVERYTHING_OF_TASKS = (
    *TASKS,
    *(f"{verb}_tasklist" for verb in ("view", "add", "change", "delete")),
    *("view_tag", "change_tag", "delete_tag"),
)


@pytest.fixture
def dora(db: None) -> User:
    return User.objects.create_user("dora")


def key_of(codename: str) -> str:
    return str(Permission.objects.get(codename=codename).pk)


def user_form(client: Client, user: User) -> dict[str, Any]:
    """The page of a user, opened in a browser, with the chosen of each list."""
    form = Form(text(client.get(f"{USERS}{user.pk}/change/")), "user_form").values
    for flag in ("is_active", "is_staff", "is_superuser"):
        form.pop(flag, None)
        if getattr(user, flag):
            form[flag] = "on"
    groups = list(user.groups.values_list("pk", flat=True))
    given = list(user.user_permissions.values_list("pk", flat=True))
    return form | {"groups": groups, "user_permissions": given}


def save_user(client: Client, user: User, **changes: Any) -> Any:
    form = user_form(client, user) | changes
    return client.post(f"{USERS}{user.pk}/change/", form)


def holds(user: User) -> set[str]:
    return {p.split(".")[1] for p in User.objects.get(pk=user.pk).get_all_permissions()}


# Users


def test_staff_cannot_make_themselves_superuser(dora: User) -> None:
    client = as_staff(dora, "view_user", "change_user")

    answer = save_user(client, dora, is_superuser="on")

    assert answer.status_code == 302
    assert not User.objects.get(pk=dora.pk).is_superuser


def test_staff_cannot_make_somebody_else_superuser(dora: User, alice: User) -> None:
    client = as_staff(dora, "view_user", "change_user")

    save_user(client, alice, is_superuser="on")

    assert not User.objects.get(pk=alice.pk).is_superuser


@pytest.mark.parametrize("whom", ["dora", "alice"])
def test_staff_cannot_grant_a_permission_that_they_do_not_hold(
    dora: User, alice: User, whom: str
) -> None:
    client = as_staff(dora, "view_user", "change_user")
    user = dora if whom == "dora" else alice
    before = holds(user)

    answer = save_user(client, user, user_permissions=[key_of("delete_user")])

    assert answer.status_code == 200
    assert holds(user) == before


@pytest.mark.parametrize("whom", ["dora", "alice"])
def test_staff_cannot_give_a_group_that_holds_more_than_they_do(
    dora: User, alice: User, whom: str
) -> None:
    group = Group.objects.create(name="Deleters")
    group.permissions.set(Permission.objects.filter(codename="delete_user"))
    client = as_staff(dora, "view_user", "change_user")
    user = dora if whom == "dora" else alice

    answer = save_user(client, user, groups=[group.pk])

    assert answer.status_code == 200
    assert not user.groups.exists()


def test_staff_grant_what_they_hold(dora: User, alice: User) -> None:
    group = Group.objects.create(name="Readers")
    group.permissions.set(Permission.objects.filter(codename="view_user"))
    client = as_staff(dora, "view_user", "change_user")

    answer = save_user(
        client,
        alice,
        is_staff="on",
        groups=[group.pk],
        user_permissions=[key_of("change_user")],
    )

    assert answer.status_code == 302
    assert holds(alice) == {"view_user", "change_user"}


def test_what_staff_hold_by_a_group_they_may_grant(dora: User, alice: User) -> None:
    client = as_staff(dora, "view_user", "change_user")
    group = Group.objects.create(name="Readers")
    group.permissions.set(Permission.objects.filter(codename="view_task"))
    dora.groups.add(group)

    save_user(client, alice, user_permissions=[key_of("view_task")])

    assert holds(alice) == {"view_task"}


@pytest.mark.parametrize("page", ["change", "password", "delete"])
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("how", ["superuser", "permission", "group"])
def test_nobody_who_holds_more_can_be_edited(
    dora: User, alice: User, page: str, how: str, active: bool
) -> None:
    """An account that is not active holds what it will hold once it is."""
    client = as_staff(dora, "view_user", "change_user", "delete_user")
    more = Permission.objects.filter(codename="remove_task")
    if how == "superuser":
        alice.is_superuser = True
    elif how == "permission":
        alice.user_permissions.set(more)
    else:
        group = Group.objects.create(name="Removers")
        group.permissions.set(more)
        alice.groups.add(group)
    alice.is_active = active
    alice.save()

    answer = client.post(
        f"{USERS}{alice.pk}/{page}/",
        {
            "post": "yes",
            "username": "alice2",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "usable_password": "true",
        },
    )

    assert answer.status_code == 403
    after = User.objects.get(pk=alice.pk)
    assert (after.username, after.password) == ("alice", alice.password)


def test_the_users_selected_for_deletion_hold_no_more_than_who_deletes(
    dora: User, alice: User, carol: User
) -> None:
    client = as_staff(dora, "view_user", "change_user", "delete_user")
    selected = {"action": "delete_selected", "post": "yes", "index": "0"}

    client.post(USERS, selected | {"_selected_action": [alice.pk, carol.pk]})

    assert User.objects.filter(pk__in=[alice.pk, carol.pk]).count() == 2
    client.post(USERS, selected | {"_selected_action": [alice.pk]})
    assert not User.objects.filter(pk=alice.pk).exists()


def test_the_page_of_who_holds_more_can_still_be_looked_at(
    dora: User, carol: User
) -> None:
    client = as_staff(dora, "view_user", "change_user")

    page = client.get(f"{USERS}{carol.pk}/change/")

    assert page.status_code == 200
    assert 'name="_save"' not in text(page)


def test_staff_set_the_password_of_who_holds_no_more(dora: User, alice: User) -> None:
    client = as_staff(dora, "view_user", "change_user")

    sent = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    answer = client.post(f"{USERS}{alice.pk}/password/", sent)

    assert answer.status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


def test_superusers_make_superusers(staff: Client, alice: User) -> None:
    save_user(staff, alice, is_superuser="on", is_staff="on")

    assert User.objects.get(pk=alice.pk).is_superuser


# Groups


def test_a_group_takes_only_permissions_that_who_edits_it_holds(dora: User) -> None:
    group = Group.objects.create(name="Own")
    client = as_staff(dora, "view_group", "change_group", "add_group")
    dora.groups.add(group)
    more = {"name": "Own", "permissions": [key_of("change_user")]}

    assert client.post(f"{GROUPS}{group.pk}/change/", more).status_code == 200
    assert client.post(f"{GROUPS}add/", more | {"name": "New"}).status_code == 200

    assert not group.permissions.exists()
    assert not Group.objects.filter(name="New").exists()


@pytest.mark.parametrize("page", ["change", "delete"])
def test_a_group_that_holds_more_is_not_edited(dora: User, page: str) -> None:
    group = Group.objects.create(name="Admins")
    group.permissions.set(Permission.objects.filter(codename="change_user"))
    client = as_staff(dora, "view_group", "change_group", "delete_group")

    answer = client.post(f"{GROUPS}{group.pk}/{page}/", {"post": "yes", "name": "X"})

    assert answer.status_code == 403
    sent = {"action": "delete_selected", "_selected_action": group.pk, "post": "yes"}
    client.post(GROUPS, sent | {"index": "0"})
    assert Group.objects.get(pk=group.pk).permissions.count() == 1


# Tokens


def ask_token(client: Client, user: User, scopes: str = "read write") -> Any:
    return client.post(
        f"{TOKENS}add/",
        {
            "user": user.pk,
            "name": "phone",
            "scopes": scopes,
            "expires_at_0": "",
            "expires_at_1": "",
        },
    )


@pytest.mark.parametrize("scopes", ["read", "write", "read write"])
def test_staff_make_no_token_of_a_superuser(
    dora: User, carol: User, scopes: str
) -> None:
    client = as_staff(dora, "view_user", "add_apitoken", *EVERYTHING_OF_TASKS)

    answer = ask_token(client, carol, scopes)

    assert "would allow more than you may do" in text(answer)
    assert not ApiToken.objects.exists()


def test_a_token_of_somebody_else_needs_what_it_opens_up(
    dora: User, alice: User
) -> None:
    client = as_staff(dora, "view_user", "add_apitoken")
    ask_token(client, alice, "read")
    assert not ApiToken.objects.exists()

    reads = ("view_task", "view_tasklist", "view_tag")
    client = as_staff(dora, "view_user", "add_apitoken", *reads)
    ask_token(client, alice, "read")
    assert ApiToken.objects.get().scopes == "read"
    ask_token(client, alice, "read write")
    assert ApiToken.objects.get().scopes == "read"

    client = as_staff(dora, "view_user", "add_apitoken", *EVERYTHING_OF_TASKS)
    ask_token(client, alice)
    assert ApiToken.objects.count() == 2


def test_staff_make_tokens_of_their_own_without_seeing_other_users(
    dora: User, alice: User
) -> None:
    client = as_staff(dora, "add_apitoken")

    page = text(client.get(f"{TOKENS}add/"))
    assert "dora" in page
    assert "alice" not in page
    assert client.get("/admin/autocomplete/", AUTOCOMPLETE).status_code == 403

    ask_token(client, alice)
    assert not ApiToken.objects.exists()
    ask_token(client, dora)
    assert ApiToken.objects.get().user == dora


AUTOCOMPLETE = {
    "app_label": "accounts",
    "model_name": "apitoken",
    "field_name": "user",
    "term": "",
}


def test_a_token_of_who_holds_more_is_revoked_and_not_prolonged(
    dora: User, carol: User
) -> None:
    make_token(carol)
    token = ApiToken.objects.get()
    client = as_staff(dora, "view_apitoken", "change_apitoken", "delete_apitoken")
    forged = {"name": "mine", "expires_at_0": "", "expires_at_1": ""}

    path = f"{TOKENS}{token.pk}/"
    assert client.post(f"{path}change/", forged).status_code == 403
    assert client.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    client.post(TOKENS, {"action": "revoke", "_selected_action": token.pk})

    token.refresh_from_db()
    assert (token.name, token.state) == ("test", "revoked")


# Choosing among what one may see


def test_staff_who_see_no_users_add_tasks_of_their_own(dora: User, alice: User) -> None:
    client = as_staff(dora, "add_task")
    page = text(client.get(ADD))
    form = Form(page, "task_form")
    assert form["owner"] == str(dora.pk)
    assert "alice" not in page

    form["title"] = "Buy milk"
    assert client.post(ADD, form.values).status_code == 302

    task = Task.objects.get()
    assert (task.title, task.owner) == ("Buy milk", dora)
    client.post(ADD, form.values | {"owner": alice.pk})
    assert not Task.objects.owned_by(alice.pk).exists()


def test_staff_who_see_no_users_add_subtasks_to_tasks_that_they_see(
    dora: User, alice: User
) -> None:
    parent = make_task(alice)
    client = as_staff(dora, "add_task", "view_task")
    address = f"{ADD}?owner={alice.pk}&parent={parent.pk}"

    form = Form(text(client.get(address)), "task_form")
    assert (form["owner"], form["parent"]) == (str(alice.pk), str(parent.pk))
    client.post(address, form.values | {"title": "Oat"})

    assert parent.subtasks.get().owner == alice


def test_staff_who_see_no_users_keep_or_take_the_owner(
    dora: User, alice: User, bob: User
) -> None:
    task = make_task(alice)
    client = as_staff(dora, "view_task", "change_task")
    form = open_form(client, task)
    assert form["owner"] == str(alice.pk)

    assert client.post(page_of(task), form.values).status_code == 302
    client.post(page_of(task), form.values | {"owner": bob.pk})
    assert Task.objects.get().owner == alice
    client.post(page_of(task), form.values | {"owner": dora.pk})
    assert Task.objects.get().owner == dora


def test_staff_who_see_no_users_add_lists_of_their_own(dora: User) -> None:
    client = as_staff(dora, "add_tasklist")
    form = Form(text(client.get(f"{LISTS}add/")), "tasklist_form")

    client.post(f"{LISTS}add/", form.values | {"name": "Home"})

    assert TaskList.objects.get().owner == dora


def test_who_sees_no_lists_is_offered_none_and_keeps_the_tasks_own(
    dora: User, alice: User
) -> None:
    home, other = make_list(alice, "Home"), make_list(alice, "Other")
    task = make_task(alice, list_id=home.pk)
    client = as_staff(dora, "view_task", "change_task")
    form = open_form(client, task)
    assert "list" not in form

    client.post(page_of(task), form.values | {"title": "New", "list": other.pk})

    task.refresh_from_db()
    assert (task.title, task.list) == ("New", home)


@pytest.mark.parametrize(
    ("name", "permission"),
    [("owner", "view_user"), ("list", "view_tasklist"), ("tag", "view_tag")],
)
def test_a_filter_offers_what_the_viewer_may_see(
    dora: User, alice: User, name: str, permission: str
) -> None:
    make_task(alice, list_id=make_list(alice).pk, tags=["home"])

    page = text(as_staff(dora, "view_task").get(LIST))
    assert f"By {name}" not in page

    page = text(as_staff(dora, "view_task", permission).get(LIST))
    assert f"By {name}" in page

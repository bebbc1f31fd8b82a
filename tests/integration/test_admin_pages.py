"""Every page of the admin is there, closed to strangers, and quick."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from taskproject.accounts.models import ApiToken, Invitation, User
from tasks.models import Task, TaskList, Webhook
from tests.conftest import BY, force_login, make_task, make_token
from tests.support.admin import Form

# As django.contrib.auth's own tests do: the site has no public list of its models.
REGISTRY: dict[type[Model], ModelAdmin] = admin.site._registry
MODELS = [pytest.param(model, id=model._meta.label) for model in REGISTRY]
THEME = "/static/taskproject/theme.css"
PAGES = ["changelist", "add", "change", "history", "delete"]
INLINE_HANDLER = re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>", re.IGNORECASE)


def make_rows(owner: User, count: int) -> None:
    """`count` rows of everything, each with a user of its own."""
    for number in range(count):
        user = User.objects.create(username=f"{owner}-{count}-{number}")
        task = make_task(user, f"Task {number}", tags=[f"tag {number}"])
        row = TaskList.objects.add(BY, owner_id=user.pk, name=f"List {number}")
        Task.objects.filter(pk=task.pk).edit(BY, list_id=row.pk)
        make_token(user)
        Group.objects.create(name=f"{owner}-{count}-{number}")
        Invitation.objects.invite(f"{user}@example.com", user)
        Webhook.objects.issue(user.pk, url="https://example.com/").request(None)


def address(model: type[Model], page: str) -> str:
    """The path of a page; those of one row are of the first that there is."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    if page in ("changelist", "add"):
        return reverse(name)
    row = model._default_manager.first()
    assert row is not None, f"make_rows makes no row of {model._meta.label}"
    return reverse(name, args=[row.pk])


def signed_in(user: User) -> Client:
    client = Client()
    force_login(client, user)
    return client


def allowed(model: type[Model], page: str, user: User) -> bool:
    """Whether the page is one that its ModelAdmin offers to this user at all."""
    request = RequestFactory().get("/")
    request.user = user
    offer = REGISTRY[model]
    if page == "add":
        return offer.has_add_permission(request)
    if page == "delete":
        return offer.has_delete_permission(request)
    return offer.has_view_permission(request)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_rendered_without_a_script_that_its_policy_would_block(
    staff: Client, carol: User, subtests: pytest.Subtests, page: str
) -> None:
    make_rows(carol, 2)

    for model in REGISTRY:
        with subtests.test(model=model._meta.label):
            answer = staff.get(address(model, page))

            may = allowed(model, page, carol)
            assert answer.status_code == (200 if may else 403)
            shown = answer.content.decode()
            if may:
                assert shown.rstrip().endswith("</html>")
                assert f'<link rel="stylesheet" href="{THEME}">' in shown
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert " style=" not in shown
            assert INLINE_SCRIPT.findall(shown) == []
            assert INLINE_HANDLER.findall(shown) == []
            assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', shown) == []


@pytest.mark.either_database
@pytest.mark.parametrize("page", PAGES)
def test_every_page_and_form_is_closed_to_others(
    carol: User, alice: User, subtests: pytest.Subtests, page: str
) -> None:
    make_rows(carol, 2)
    dora = signed_in(User.objects.create(username="dora", is_staff=True))
    others = signed_in(alice), Client()

    for model in REGISTRY:
        with subtests.test(model=model._meta.label):
            before = list(model._default_manager.order_by("pk").values())
            path = address(model, page)

            assert dora.get(path).status_code == 403
            forged = dora.post(path, {"post": "yes", "_save": "Save"})
            assert forged.status_code == 403
            for client in others:
                location = client.get(path).headers["Location"]
                assert location == f"/admin/login/?next={path}"

            assert list(model._default_manager.order_by("pk").values()) == before


def test_a_list_of_20_rows_takes_as_many_queries_as_one_of_2(
    staff: Client, carol: User
) -> None:
    make_rows(carol, 2)
    few = _queries_of_lists(staff, rows=2)

    make_rows(carol, 18)
    many = _queries_of_lists(staff, rows=20)

    assert many == few
    assert max(many.values()) <= 10


def _queries_of_lists(staff: Client, rows: int) -> dict[str, int]:
    """How many statements the list of each model takes; it shows at least so many rows."""
    _on_one_day()
    numbers = {}
    for model in REGISTRY:
        with CaptureQueriesContext(connection) as queries:
            answer = staff.get(address(model, "changelist"))
        assert len(answer.context["cl"].result_list) >= rows
        numbers[model._meta.label] = len(queries)
    return numbers


def test_every_search_finds_and_misses(
    staff: Client, carol: User, subtests: pytest.Subtests
) -> None:
    make_rows(carol, 2)

    for model, options in REGISTRY.items():
        with subtests.test(model=model._meta.label):
            path = address(model, "changelist")

            assert options.search_fields
            one = staff.get(path, {"q": "carol-2-0"})
            assert one.context["cl"].result_count == 1
            none = staff.get(path, {"q": "zyzzyva"})
            assert none.context["cl"].result_count == 0


@pytest.mark.parametrize("model", MODELS)
def test_every_list_takes_a_search_with_a_nul_without_a_server_error(
    staff: Client, carol: User, model: type[Model]
) -> None:
    answer = staff.get(address(model, "changelist"), {"q": "a\x00b"})

    assert answer.status_code in (200, 400)


# Pages of no model


@pytest.mark.either_database
def test_the_index_lists_every_model(staff: Client) -> None:
    answer = staff.get("/admin/")

    for model in REGISTRY:
        assert f'href="{address(model, "changelist")}"' in answer.content.decode()


@pytest.mark.either_database
def test_the_index_lists_nothing_that_staff_may_not_see(db: None) -> None:
    dora = signed_in(User.objects.create(username="dora", is_staff=True))

    answer = dora.get("/admin/")

    assert answer.status_code == 200
    for model in REGISTRY:
        assert address(model, "changelist") not in answer.content.decode()


@pytest.mark.either_database
@pytest.mark.parametrize("app", sorted({model._meta.app_label for model in REGISTRY}))
def test_the_index_of_every_app_is_rendered(staff: Client, app: str) -> None:
    assert staff.get(f"/admin/{app}/").status_code == 200


@pytest.mark.either_database
@pytest.mark.parametrize("path", ["/admin/password_change/", "/admin/jsi18n/"])
def test_the_other_pages_are_rendered(staff: Client, path: str) -> None:
    assert staff.get(path).status_code == 200


@pytest.mark.either_database
def test_the_password_page_of_a_user_is_rendered(staff: Client, alice: User) -> None:
    assert staff.get(f"/admin/accounts/user/{alice.pk}/password/").status_code == 200


def set_password(user: User) -> str:
    """The cast has no passwords: hashing one takes a third of a second."""
    user.set_password("correct horse battery")
    user.save()
    return "correct horse battery"


@pytest.mark.either_database
def test_the_login_page_is_rendered(client: Client, db: None) -> None:
    answer = client.get("/admin/login/")

    assert answer.status_code == 200
    assert 'name="csrfmiddlewaretoken"' in answer.content.decode()


def test_staff_can_sign_in_and_out(client: Client, carol: User) -> None:
    given = {"username": "carol", "password": set_password(carol)}
    signed = client.post("/admin/login/?next=/admin/tasks/task/", given)

    assert (signed.status_code, signed.headers["Location"]) == (
        302,
        "/admin/tasks/task/",
    )
    assert client.get("/admin/tasks/task/").status_code == 200
    client.post("/admin/logout/")
    assert client.get("/admin/tasks/task/").status_code == 302


@pytest.mark.either_database
def test_a_wrong_password_is_refused(client: Client, carol: User) -> None:
    given = {"username": "carol", "password": "wrong"}
    answer = client.post("/admin/login/", given)

    assert answer.status_code == 200
    assert "Please enter the correct username" in answer.content.decode()


@pytest.mark.either_database
def test_who_is_not_staff_cannot_sign_in(client: Client, alice: User) -> None:
    given = {"username": "alice", "password": set_password(alice)}

    assert client.post("/admin/login/", given).status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.either_database
def test_the_login_leads_to_no_other_site(client: Client, carol: User) -> None:
    given = {"username": "carol", "password": set_password(carol)}
    answer = client.post("/admin/login/?next=https://evil.example/", given)

    assert answer.status_code == 302
    assert "evil" not in answer.headers["Location"]


@pytest.mark.either_database
def test_a_form_without_its_csrf_token_is_refused(carol: User) -> None:
    task = make_task(carol)
    client = Client(enforce_csrf_checks=True)
    force_login(client, carol)

    answer = client.post(f"/admin/tasks/task/{task.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert "This form is out of date" in answer.text
    assert "taskproject/theme.css" in answer.text and "<style" not in answer.text
    assert Task.objects.get() == task


@pytest.mark.either_database
def test_a_form_sent_after_the_session_says_that_it_is_lost(client: Client) -> None:
    answer = client.post("/admin/tasks/task/add/", {"title": "a"}, follow=True)

    assert answer.redirect_chain == [("/admin/login/?next=/admin/tasks/task/add/", 302)]
    assert "Your session has ended" in answer.text
    assert "Your session" not in client.post("/admin/logout/", follow=True).text


@pytest.mark.either_database
def test_admin_pages_are_kept_by_no_cache(staff: Client, alice: User) -> None:
    make_task(alice)

    answer = staff.get("/admin/tasks/task/")

    assert "no-store" in answer.headers["Cache-Control"]


def test_a_user_added_in_the_admin_can_sign_in(staff: Client) -> None:
    password = "correct horse battery"
    answer = staff.post(
        "/admin/accounts/user/add/",
        {
            "username": "erin",
            "usable_password": "true",
            "password1": password,
            "password2": password,
        },
    )

    assert answer.status_code == 302
    assert Client().login(username="erin", password=password)


def test_the_time_zone_of_a_user_can_be_changed(staff: Client, alice: User) -> None:
    path = f"/admin/accounts/user/{alice.pk}/change/"
    form = Form(staff.get(path).content.decode(), "user_form")
    assert form["timezone"] == "UTC"
    form["timezone"] = "Europe/Lisbon"

    assert staff.post(path, form.values).status_code == 302

    alice.refresh_from_db()
    assert alice.timezone == "Europe/Lisbon"


@pytest.mark.either_database
@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../UTC", "a\x00b", "x" * 65])
def test_a_time_zone_that_is_none_is_refused(
    staff: Client, alice: User, zone: str
) -> None:
    path = f"/admin/accounts/user/{alice.pk}/change/"
    form = Form(staff.get(path).content.decode(), "user_form")
    form["timezone"] = zone

    answer = staff.post(path, form.values)

    assert answer.status_code == 200
    assert "timezone" in answer.context["adminform"].form.errors
    alice.refresh_from_db()
    assert alice.timezone == "UTC"


@pytest.mark.either_database
def test_no_page_of_a_user_shows_the_hash_of_the_password(
    staff: Client, alice: User
) -> None:
    shown = staff.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()

    assert alice.password not in shown


def test_deleting_a_user_deletes_their_tasks_and_tokens(
    staff: Client, alice: User
) -> None:
    make_task(alice)
    make_token(alice)

    staff.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Task.objects.exists()
    assert not ApiToken.objects.exists()


def _on_one_day() -> None:
    """A date hierarchy asks more of rows of several days."""
    moment = timezone.now().replace(day=1, hour=12)
    Task.objects.update(created_at=moment)
    ApiToken.objects.update(created_at=moment)
    User.objects.update(date_joined=moment)


@pytest.mark.either_database
def test_the_menu_begins_with_tasks(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()

    menu = page.partition('id="site-nav"')[2].partition("</nav>")[0]
    assert re.findall(r">([^<>]+)</a>", menu) == [
        *("Tasks", "Lists", "Tags", "Webhooks"),
        *("Groups", "Users", "Invitations", "API tokens"),
    ]

"""What there is before a test of the integration: a task, or a world of them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts import oidc
from taskproject.accounts.issuer_keys import IssuerKeys
from taskproject.accounts.models import User
from tasks.models import Actor, Tag, Task, TaskList, lock_feeds
from tests.conftest import ApiClient, make_task
from tests.support.changes import World
from tests.support.issuer import AUDIENCE, Issuer, running_issuer
from tests.support.people import ANNA, PASSWORD


@pytest.fixture
def task(alice: User) -> Task:
    """An open one of alice's."""
    return make_task(alice, "Buy milk", description="Oat")


@pytest.fixture
def known(api: ApiClient, alice: User) -> ApiClient:
    """The API, called with a token that this process has cached."""
    assert api.send("GET", "/api/tasks").status_code == 200
    return api


@pytest.fixture
def world(alice: User, bob: User, carol: User, api: ApiClient, staff: Client) -> World:
    """Three tasks of alice's, each in another state, a list and a tag."""
    by = Actor(alice.pk, "command")
    task, trashed = make_task(alice, "Buy milk"), make_task(alice, "Old")
    Task.objects.filter(pk=task.pk).edit(by, title="Buy oat milk")
    Task.objects.filter(pk=trashed.pk).trash(by)
    long_ago = timezone.now() - timedelta(days=31)
    Task.objects.filter(pk=trashed.pk).update(deleted_at=long_ago)
    done = make_task(alice, "Done", completed=True)
    for each in (task, trashed):
        each.refresh_from_db()
    home = TaskList.objects.add(by, owner_id=alice.pk, name="Home")
    with lock_feeds([alice.pk]):
        [tag] = Tag.objects.obtain(by, timezone.now(), alice.pk, ["errand"])
    return World(alice, bob, carol, api, staff, task, done, trashed, home, tag)


@pytest.fixture
def anna(db: None) -> User:
    """Somebody with a verified address and a password."""
    user = User.objects.create_user("anna", ANNA["email"], PASSWORD)
    EmailAddress.objects.create(
        user=user, email=user.email, verified=True, primary=True
    )
    return user


@pytest.fixture
def patience(settings: Settings) -> None:
    """For the most operations that a request can have: a loaded machine may take longer."""
    settings.DATABASE_TIMEOUT = 30


@pytest.fixture
def issuer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """One whose keys this process has not fetched yet."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(oidc, "keys", IssuerKeys())
    with running_issuer() as issuer:
        settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = issuer.url, [AUDIENCE, "other"]
        yield issuer

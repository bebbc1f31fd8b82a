"""What the code of 1.3.0 does on this schema: while a release replaces the other, and after a
step back to it."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import connection

from taskproject.accounts.models import Identity, Invitation, User
from tasks.models import Reminder, Webhook
from tasks.models.saved_views import SavedView
from tests.conftest import make_task

#: The tables whose rows of a user 1.3.0 deletes itself.
KNOWN = {
    *("taskproject_storedanswer", "django_admin_log", "accounts_apitoken"),
    *("accounts_user_groups", "accounts_user_user_permissions"),
    *("tasks_tally", "tasks_feedhorizon", "tasks_tasklist", "tasks_tag", "tasks_task"),
    "tasks_calendarfeed",
}


def make_rows(user: User, name: str) -> set[str]:
    """A row in each other table that refers to users; the tables."""
    at = {"at": "2990-01-01T00:00:00Z"}
    task = make_task(user, reminders=[at])
    webhook = Webhook.objects.issue(user.pk, url="https://example.com/")
    webhook.request(None)
    rows = [
        EmailAddress.objects.create(user=user, email=f"{name}@example.com"),
        Authenticator.objects.create(user=user, type="totp", data={}),
        UserSession.objects.create(user=user, session_key=name, ip="::1", data={}),
        Identity.objects.create(user=user, issuer="a", subject=name),
        Invitation.objects.create(email=f"for-{name}@example.com", invited_by=user),
        SavedView.objects.create(owner=user, name="a", columns="title"),
        Reminder.objects.get(task_id=task.pk),
        webhook,
    ]
    return {row._meta.db_table for row in rows}


@pytest.mark.django_db
def test_it_deletes_a_user_who_has_rows_that_it_does_not_know(bob: User) -> None:
    alice = User.objects.create_user("alice")
    made = make_rows(alice, "alice")
    make_rows(bob, "bob")
    referring = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_fields
        if field.related_model is User and getattr(field, "db_constraint", False)
    }
    # A new table goes into a migration as tasks/migrations/0038, and into `make_rows`.
    assert referring - KNOWN == made

    with connection.cursor() as cursor:
        for table in ("tasks_task", "tasks_tally"):
            cursor.execute(f"DELETE FROM {table} WHERE owner_id = %s", [alice.pk])
        cursor.execute("DELETE FROM accounts_user WHERE id = %s", [alice.pk])
    connection.check_constraints()

    assert [*Reminder.objects.values_list("owner_id", flat=True)] == [bob.pk]
    assert [*Webhook.objects.values_list("owner_id", flat=True)] == [bob.pk]
    invitations = Invitation.objects.order_by("pk")
    assert [row.invited_by_id for row in invitations] == [None, bob.pk]

"""manage.py doctor: a PostgreSQL that takes no writes, wholly or in part."""

import re
from collections.abc import Iterator
from secrets import token_hex

import pytest
from django.db import connection, transaction

from taskproject.accounts.models import User
from taskproject.doctor import Options, Result
from taskproject.doctor_database import check_statistics, check_writes
from tests.conftest import ApiClient, make_task
from tests.support.copies import connected_to, copy_of, name_of

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="is about PostgreSQL"
)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def copy(migrated: str, transactional_db: None) -> Iterator[str]:
    """The name of a migrated database to spoil."""
    with copy_of(migrated) as url, connected_to(url):
        yield name_of(url)


def found() -> list[Result]:
    return [*check_writes(Options())]


@pytest.mark.django_db
def test_a_database_that_takes_writes() -> None:
    assert found() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.without_pooler("which keeps its sessions, and so what they had at first")
@pytest.mark.parametrize(
    "place", ["DATABASE {name}", "ROLE current_user IN DATABASE {name}"]
)
def test_a_database_that_is_read_only_is_mended_by_what_is_said(
    copy: str, place: str
) -> None:
    execute(f"ALTER {place.format(name=copy)} SET default_transaction_read_only = on")
    connection.close()

    [(level, message)] = found()
    assert level == "error"
    for statement in message.split("type ")[1].split("; "):
        execute(statement)
    connection.close()
    assert found() == []


@pytest.mark.django_db
def test_a_table_that_the_role_may_not_write_is_opened_by_what_is_said(
    alice: User, api: ApiClient
) -> None:
    execute("CREATE ROLE limited")
    execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO limited")
    execute("REVOKE INSERT ON tasks_event FROM limited")
    execute("SET LOCAL ROLE limited")

    [(level, message)] = found()
    with transaction.atomic():
        refused = api.send("POST", "/api/tasks", {"title": "Buy milk"})
        transaction.set_rollback(True)
    execute("RESET ROLE")
    execute(message.split("type ")[1])
    execute("SET LOCAL ROLE limited")

    assert level == "error"
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert found() == []
    assert api.send("POST", "/api/tasks", {"title": "Buy milk"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_table_is_not_analysed_by_its_indexes(copy: str) -> None:
    """CREATE INDEX notes the number of rows, and no statistics."""
    execute("ALTER TABLE tasks_task SET (autovacuum_enabled = off)")
    alice = User.objects.create_user("alice")
    for number in range(60):
        make_task(alice, title=f"Task {number}", description=token_hex(900))
    execute("CREATE INDEX another ON tasks_task (id)")

    assert "tasks_task" in found_tables()
    execute("ANALYZE tasks_task")
    assert "tasks_task" not in found_tables()


def found_tables() -> list[str]:
    findings = " ".join(message for _, message in check_statistics(Options()))
    return re.findall(r"The table (\w+)", findings)

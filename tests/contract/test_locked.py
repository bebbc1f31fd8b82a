"""Requests that write, while another process has SQLite's lock for longer than they wait."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import Settings

from taskproject.accounts.models import User
from tests.conftest import ApiClient
from tests.contract.test_permissions import (
    BODIES,
    OPERATIONS,
    document_operations,
    make_rows,
    stored,
)

pytestmark = [
    pytest.mark.skipif(settings.ON_POSTGRESQL, reason="it locks rows"),
    pytest.mark.django_db(transaction=True),
]
WRITES = [it for it in OPERATIONS if document_operations()[it][0] != "GET"]


@pytest.fixture
def lock(settings: Settings) -> Iterator[sqlite3.Connection]:
    """A connection that takes the lock by BEGIN IMMEDIATE."""
    settings.SQLITE_BUSY_TIMEOUT = 0.01
    path = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        yield other


def test_every_write_of_the_api_is_refused_and_stores_nothing(
    api: ApiClient, alice: User, lock: sqlite3.Connection
) -> None:
    rows = make_rows(alice)
    before = stored()
    lock.execute("BEGIN IMMEDIATE")

    for operation in WRITES:
        method, path, body = document_operations()[operation]
        path = path.format(**rows._asdict())
        path += "?confirm=alice" if operation == "delete_me" else ""
        body = BODIES[operation](rows) if operation in BODIES else body
        refused = api.send(method, path, body)

        assert refused.status_code == 503, operation
        assert refused.json()["code"] == "unavailable"
        assert int(refused["Retry-After"]) >= 1
        assert stored() == before

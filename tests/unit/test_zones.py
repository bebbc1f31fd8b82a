"""Time zones: those of the pinned tzdata package, whatever the host has"""

import json
import os
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.checks import zones_are_known
from tests.conftest import make_task

ROOT = Path(__file__).parents[2]
#: What hosts have beside the IANA's zones, or under other names.
NOT_IANAS = ["localtime", "posixrules", "Factory", "US/Pacific-New", "posix/UTC", ""]


def test_no_directory_of_the_host_is_read() -> None:
    assert zoneinfo.TZPATH == ()


def imported(first: str) -> "subprocess.CompletedProcess[str]":
    """A process that prints, after the import, where it looks for zones."""
    said = "import zoneinfo; print(zoneinfo.TZPATH)"
    return subprocess.run(
        [sys.executable, "-c", f"{first}; {said}"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "taskproject.settings",
            "LOG_LEVEL": "INFO",
            "PYTHONTZPATH": "/usr/share/zoneinfo",
        },
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )


def test_every_way_in_reads_the_packages_zones_and_logs_them() -> None:
    assert imported("import django; django.setup()").stdout == "()\n"
    server = imported("import taskproject.wsgi")

    assert server.stdout == "()\n"
    assert json.loads(server.stderr)["tzdata"] == metadata.version("tzdata")


def test_the_names_are_those_of_the_package_that_are_zones() -> None:
    listed = set((resources.files("tzdata") / "zones").read_text().split())

    assert timezones.names() == listed - {"Factory", "localtime", "posixrules"}
    assert len(timezones.names()) > 500


def test_each_name_has_a_zone() -> None:
    for name in timezones.names():
        assert timezones.zone(name).key == name


@pytest.mark.parametrize("name", NOT_IANAS)
def test_what_is_no_zone_counts_as_utc(name: str) -> None:
    assert name not in timezones.names()
    assert timezones.known(name) == "UTC"
    assert timezones.zone(name).key == "UTC"


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("America/Vancouver", -7), ("America/Edmonton", -6), ("Africa/Casablanca", 0)],
)
def test_the_rules_are_those_of_2026(zone: str, hours: int) -> None:
    winter = datetime(2026, 12, 16, 7, 30, tzinfo=UTC)
    offset = winter.astimezone(timezones.zone(zone)).utcoffset()

    assert offset is not None and offset.total_seconds() == hours * 3600


# manage.py check --database default


def found() -> list[str]:
    checked = run_checks(tags=[Tags.database], databases=["default"])
    return [message.msg for message in checked if message.id == "taskproject.W002"]


def test_the_check_is_content_with_zones(alice: User) -> None:
    make_task(
        alice, due_at=datetime(2026, 12, 1, tzinfo=UTC), due_timezone="Asia/Tokyo"
    )

    assert found() == []


def test_the_check_names_stored_zones_that_are_none(alice: User) -> None:
    task = make_task(alice, due_at=datetime(2026, 12, 1, tzinfo=UTC))
    type(task).objects.filter(pk=task.pk).update(due_timezone="posix/Asia/Tokyo")
    User.objects.filter(pk=alice.pk).update(timezone="localtime")

    assert [message.partition(". ")[0] for message in found()] == [
        "accounts.User.timezone has names that are no time zones: 'localtime'",
        "tasks.Task.due_timezone has names that are no time zones: 'posix/Asia/Tokyo'",
    ]


def test_a_check_without_a_database_asks_none() -> None:
    assert zones_are_known(databases=None) == []


@pytest.mark.parametrize(
    ("sent", "advice"),
    [
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("America/New York", "did you mean America/New_York?"),
        ("new york", "did you mean America/New_York?"),
        ("buenos aires", "did you mean America/Argentina/Buenos_Aires?"),
        ("utc", "did you mean UTC?"),
        ("Europe/Pariss", "did you mean Europe/Paris?"),
        ("Europe/Frankfurt", "send one like Europe/Lisbon."),
        ("Mars/Olympus", "send one like Europe/Lisbon."),
        ("", "send one like Europe/Lisbon."),
        ("x" * 100_000, "send one like Europe/Lisbon."),
    ],
)
def test_a_name_in_another_spelling_is_advised(sent: str, advice: str) -> None:
    assert timezones.advice(sent) == advice

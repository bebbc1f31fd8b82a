"""`make bench-pages`: what the pages of the admin cost with many tasks of many owners.

A page is requested within the process, by Django's test client, as a superuser: what is
measured is the service and the database, no server and no network. Each database has a
process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tqdm import tqdm

from bench import machine, postgres, processes
from bench.compare import run
from bench.contestants import manage, service_environment
from bench.figures import number, table

if TYPE_CHECKING:
    from django.test import Client

LIST = "/admin/tasks/task/"
#: Placeholders: the ids of an owner, of a list and a tag of the owner, and of a task.
PAGES = [
    ("dashboard", "/admin/"),
    ("tasks", LIST),
    ("open", f"{LIST}?completed__exact=0"),
    ("overdue", f"{LIST}?due=overdue"),
    ("due today", f"{LIST}?due=today&completed__exact=0"),
    ("due in seven days", f"{LIST}?due=week&completed__exact=0"),
    ("sorted by due date", f"{LIST}?o=6"),
    ("sorted by due date, last first", f"{LIST}?o=-6"),
    ("open, sorted by due date", f"{LIST}?completed__exact=0&o=6"),
    ("sorted by priority", f"{LIST}?o=-5"),
    (
        "created in a month",
        f"{LIST}?created_at__year={{year}}&created_at__month={{month}}",
    ),
    ("of an owner", f"{LIST}?owner={{owner}}"),
    ("in a list", f"{LIST}?list={{list}}"),
    ("with a tag", f"{LIST}?tag={{tag}}"),
    ("a common word", f"{LIST}?q=buy"),
    ("a rare word", f"{LIST}?q=zebra"),
    (
        "open, overdue, high priority, in no list",
        f"{LIST}?completed__exact=0&due=overdue&priority__exact=3&list=none",
    ),
    ("trash", f"{LIST}?trash=in"),
    ("a task", f"{LIST}{{task}}/change/"),
    ("lists", "/admin/tasks/tasklist/"),
    ("tags", "/admin/tasks/tag/"),
    ("users", "/admin/accounts/user/"),
]
DATABASES = ["sqlite", "postgresql"]
TASKS, OWNERS, REQUESTS = 1_000_000, 10_000, 11
#: Tasks that are written at once.
BATCH = 2_500
#: Of so many parts of the owners one is written, and copied for the others in half the time.
PARTS = 20


@dataclass(frozen=True)
class Cost:
    """Of one page: milliseconds until its whole answer, the least and the median of the
    requests; milliseconds of CPU of the process and of PostgreSQL in the mean of them."""

    page: str
    statements: int
    least: float
    median: float
    cpu: float
    database_cpu: float


def seed(tasks: int, owners: int) -> None:
    """Tasks as those of `seed_tasks`, of as many owners, unless there are tasks already.

    Those of a part of the owners are written as `TaskQuerySet.add_all` does, but of many owners
    at once. The others have copies of them."""
    from django.utils import timezone

    from taskproject.accounts.models import User
    from taskproject.names import casefold_key
    from taskproject.sql import analyze, batched
    from tasks.management.commands.seed_tasks import BY, LISTS, TAGS, make_rows
    from tasks.models import (
        Event,
        Label,
        Tag,
        Tally,
        Task,
        TaskList,
        lock_feeds,
        new_values,
        statements,
        task_events,
    )
    from tasks.models.positions import at_end
    from tasks.models.tags import label

    if Task.objects.exists():
        return
    today = timezone.now().date()
    people = User.objects.bulk_create(
        [User(username=f"owner{place}", password="!") for place in range(owners)]
    )
    each = tasks // owners
    written = -(-owners // PARTS)
    names = {casefold_key(name): name for name in TAGS}
    with tqdm(total=tasks, unit=" tasks") as bar:
        for portion in batched(people[:written], max(1, BATCH // each)):
            with lock_feeds([person.pk for person in portion]) as now:
                lists = TaskList.objects.bulk_create(
                    TaskList(
                        owner=person,
                        name=name,
                        key=casefold_key(name),
                        position=at_end(now + timedelta(microseconds=place)),
                    )
                    for person in portion
                    for place, name in enumerate(LISTS)
                )
                Tag.objects.bulk_create(
                    Tag(owner=person, name=name, key=key)
                    for person in portion
                    for key, name in names.items()
                )
                made = []
                for person in portion:
                    its = [row for row in lists if row.owner_id == person.pk]
                    for row in make_rows(its, each, person.pk, today):
                        del row["parent"]
                        given = {**row, "owner_id": person.pk}
                        task = new_values.new(Task, now, names, given)
                        now += timedelta(microseconds=1)
                        task.position = at_end(now)
                        made.append(task)
                statements.insert_all(Task, made)
                label(made)
                task_events.record(BY, now, [(None, task) for task in made])
            bar.update(len(made))
        for count in _copies(people[0].pk, written, owners):
            bar.update(count * each)
    analyze(User, TaskList, Task, Event, Label, Tag, Tally)


def _copies(first: int, written: int, owners: int) -> Iterator[int]:
    """Copies all that belongs to the owners who were `written`, of whom `first` is one's id, for
    those who follow, until all `owners` have theirs. The triggers count and index the copies.
    Yields the numbers of owners."""
    from django.core.management.color import no_style
    from django.db import connection, transaction
    from django.db.models import Max, Model

    from tasks.models import Event, Label, Tag, Task, TaskList

    models: tuple[type[Model], ...] = (TaskList, Tag, Task, Label, Event)
    ends = {
        model: model._default_manager.aggregate(end=Max("pk"))["end"]
        for model in models
    }
    with connection.cursor() as cursor:
        for begin in range(written, owners, written):
            count, turn = min(written, owners - begin), begin // written
            theirs = f'"owner_id" < {first + count}'
            with transaction.atomic():
                for model in models:
                    steps = {
                        "owner_id": begin,
                        "list_id": ends[TaskList] * turn,
                        "tag_id": ends[Tag] * turn,
                        "task_id": ends[Task] * turn,
                        model._meta.pk.column: ends[model] * turn,
                    }
                    columns = [field.column for field in model._meta.concrete_fields]
                    into = ", ".join(f'"{name}"' for name in columns)
                    values = ", ".join(
                        f'"{name}" + {steps[name]}' if name in steps else f'"{name}"'
                        for name in columns
                    )
                    of = theirs
                    if model is Label:
                        of = (
                            f'"tag_id" IN (SELECT "id" FROM "tasks_tag" WHERE {theirs})'
                        )
                    table = model._meta.db_table
                    cursor.execute(
                        f'INSERT INTO "{table}" ({into}) SELECT {values} FROM "{table}" WHERE {of}'
                    )
            yield count
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)


def places() -> dict[str, object]:
    """What the placeholders stand for."""
    from tasks.models import Label, Task

    label = Label.objects.select_related("tag").order_by("-pk")[0]
    task = Task.objects.filter(list__isnull=False).order_by("-pk")[0]
    month = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    return {
        "owner": task.owner_id,
        "list": task.list_id,
        "tag": label.tag_id,
        "task": task.pk,
        "year": month.year,
        "month": month.month,
    }


def measure(names: Sequence[str], requests: int, pid: int | None) -> list[Cost]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from taskproject.accounts.models import User

    staff = Client()
    superuser, _ = User.objects.get_or_create(
        username="bench-staff", is_staff=True, is_superuser=True
    )
    staff.force_login(superuser)
    filled = places()
    costs = []
    for name, path in tqdm([each for each in PAGES if each[0] in names], unit=" pages"):
        address = path.format_map(filled)
        with CaptureQueriesContext(connection) as statements:
            _get(staff, address)
        sent = len(statements)  # later requests forget them
        waits, spent, of_database = list[float](), 0.0, 0.0
        for _ in range(requests):
            before = processes.cpu_seconds(pid) if pid else 0.0
            began, used = time.perf_counter(), time.process_time()
            _get(staff, address)
            waits.append((time.perf_counter() - began) * 1e3)
            spent += time.process_time() - used
            of_database += processes.cpu_seconds(pid) - before if pid else 0.0
        each = 1e3 / requests
        costs.append(
            Cost(
                name,
                sent,
                min(waits),
                median(waits),
                spent * each,
                of_database * each,
            )
        )
    return costs


def _get(staff: "Client", address: str) -> None:
    answer = staff.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"GET {address}: {answer.status_code}")


def costs_table(found: Mapping[str, Sequence[Cost]]) -> str:
    """The table of docs/performance.md: of each page the statements of its first request, and
    for each database the milliseconds and those of CPU, PostgreSQL's included."""
    headings = ["page", "statements"]
    rows = [[each.page, ""] for each in next(iter(found.values()))]
    for name, costs in found.items():
        headings += [f"{name}, ms", "CPU"]
        for row, each in zip(rows, costs, strict=True):
            row[1] = str(each.statements)
            used = each.cpu + each.database_cpu
            row += [number(each.least, 0), number(used, 0)]
    return table(headings, rows)


def parser() -> ArgumentParser:
    names = [name for name, _ in PAGES]
    parse = ArgumentParser("pages", description=__doc__)
    add = parse.add_argument
    add("--tasks", type=int, default=TASKS)
    add("--owners", type=int, default=OWNERS)
    add("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    add("--pages", nargs="+", choices=names, default=names)
    add("--requests", type=int, default=REQUESTS, help=f"of each; default: {REQUESTS}")
    add("--json", type=Path, metavar="FILE", help="writes everything measured")
    add(
        "--here",
        action="store_true",
        help="measures the database of DATABASE_URL, which is filled first if it has no task",
    )
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.here:
        _here(options)
        return 0
    return run(_main, options)


def _main(options: Namespace) -> int:
    found = {name: _in_process(name, options) for name in options.databases}
    costs = {
        name: [Cost(**each) for each in measured]  # type: ignore[arg-type]  # as written by `_here`
        for name, measured in found.items()
    }
    print(f"\n{costs_table(costs)}", flush=True)
    if options.json:
        document = {"machine": machine.describe(), "costs": found}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _in_process(database: str, options: Namespace) -> list[dict[str, object]]:
    """A new database of this kind, which is gone afterwards, measured by a new process."""
    with _database(database) as url:
        env = service_environment(url)
        manage(env, "migrate", "--verbosity", "0")
        command = [
            sys.executable,
            "-m",
            "bench.pages",
            "--here",
            "--pages",
            *options.pages,
        ]
        for name in ("tasks", "owners", "requests"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(
            command, env={**os.environ, **env}, stdout=subprocess.PIPE, check=True
        )
    costs: list[dict[str, object]] = json.loads(done.stdout)
    return costs


@contextmanager
def _database(kind: str) -> Iterator[str]:
    with ExitStack() as stack:
        if kind == "postgresql":
            server = stack.enter_context(postgres.running())
            yield server.create_database("pages")
        else:
            holder = tempfile.TemporaryDirectory(prefix="tasks-pages-")
            yield f"sqlite:///{stack.enter_context(holder)}/pages.sqlite3"


def _here(options: Namespace) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
    django.setup(set_prefix=False)
    from django.conf import settings

    seed(options.tasks, options.owners)
    pid = None
    if settings.ON_POSTGRESQL:
        url = os.environ["DATABASE_URL"]
        postgres.settle(url)
        with ExitStack() as stack:
            pid = postgres.PostgreSQL(url, stack).pid
    costs = measure(options.pages, options.requests, pid)
    print(json.dumps([asdict(each) for each in costs]), flush=True)


if __name__ == "__main__":
    sys.exit(main())

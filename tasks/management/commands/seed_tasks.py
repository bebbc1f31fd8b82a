"""``manage.py seed_tasks``: tasks to try things with."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task, feed_of, record

BATCH = 2_000
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=365)

VERBS = [
    "Answer", "Book", "Buy", "Call", "Cancel", "Check", "Clean", "Collect", "Compare",
    "Draft", "Fix", "Order", "Pay", "Plan", "Print", "Renew", "Repair", "Return",
    "Review", "Schedule", "Send", "Sort", "Update", "Write",
]  # fmt: skip
THINGS = [
    "the bicycle", "the birthday card", "the boiler", "the budget", "the car insurance",
    "the contract", "the dentist", "the electricity bill", "the flight to Lisbon",
    "the garden shed", "the holiday photos", "the invoice", "the landlord",
    "the library books", "the meeting notes", "the passport", "the plumber",
    "the presentation", "the quarterly report", "the recipe", "the school form",
    "the slides", "the tax return", "the train tickets", "the winter tyres",
]  # fmt: skip
ENDS = [
    "", "", "", " before Friday", " for Anna", " for the office", " this week",
    " with Jonas", " – second try", " (urgent)", " at the weekend", " after lunch",
]  # fmt: skip
NOTES = [
    "", "", "", "Ask for a receipt.", "The number is on the fridge.",
    "See the mail of last Tuesday.", "Compare three offers first.",
    "Twenty minutes at most.", "Needs a signature.",
]  # fmt: skip


class Command(BaseCommand):
    help = (
        "Adds COUNT realistic tasks to a user, spread over the year 2025. The same COUNT "
        "and --seed make the same tasks. Running it again adds them again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, help="how many, up to 10,000,000")
        parser.add_argument(
            "--owner",
            default=settings.API_GUEST,
            help="whose tasks they become; default: the guest (API_GUEST)",
        )
        parser.add_argument("--seed", type=int, default=1, help="default: 1")

    def handle(self, **options: Any) -> None:
        count: int = options["count"]
        if not 1 <= count <= 10_000_000:
            raise CommandError("COUNT must be from 1 to 10,000,000.")
        owner = self._owner(options["owner"])
        tasks = make_tasks(owner, count, options["seed"])
        with tqdm(total=count, unit=" tasks", disable=options["verbosity"] < 1) as bar:
            while batch := list(islice(tasks, BATCH)):
                # A batch a transaction: an interrupted run leaves whole batches, and
                # other writers get their turn.
                with feed_of([owner.pk]):
                    made = Task.objects.bulk_create(batch)
                    by = Actor(None, "command")
                    pairs = ((None, task) for task in made)
                    record(by, timezone.now(), pairs, Event.Verb.CREATED)
                bar.update(len(batch))
        self.stdout.write(f"Added {count:,} tasks to {owner}.")

    def _owner(self, username: str) -> User:
        if not username:
            raise CommandError("Name a user with --owner; API_GUEST is not set.")
        if username == settings.API_GUEST:
            guest = User.guest(username)
            if guest is not None:
                return guest
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username!r}. `manage.py create_token {username} "
                "--create-user` makes one."
            )
        return user


def make_tasks(owner: User, count: int, seed: int) -> Iterator[Task]:
    """`count` tasks, oldest first, the same for the same `count` and `seed`."""
    random = Random(seed)
    for number in range(count):
        created = FIRST_DAY + PERIOD * number / count
        done = random.random() < 0.6
        completed_at = created + timedelta(minutes=random.randint(1, 20_000))
        yield Task(
            owner=owner,
            title=f"{random.choice(VERBS)} {random.choice(THINGS)}{random.choice(ENDS)}",
            description=random.choice(NOTES),
            completed=done,
            completed_at=completed_at if done else None,
            created_at=created,
            updated_at=completed_at if done else created,
        )

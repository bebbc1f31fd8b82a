"""``manage.py seed_tasks``: add example tasks."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from taskproject.accounts.management.users import user_named
from taskproject.accounts.models import User
from taskproject.sql import analyze, batched
from taskproject.times import midnight
from tasks.fields import Values
from tasks.models import Actor, Event, Label, Tag, Tally, Task, TaskList, lock_feeds
from tasks.models.due_dates import read_day

BATCH = 2_000
BY = Actor(None, "command")
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
PEOPLE = [
    "Ada", "Amir", "Bea", "Bruno", "Carla", "Chen", "Clara", "David", "Dora", "Elif",
    "Emil", "Fatima", "Felix", "Greta", "Hana", "Hugo", "Ines", "Ivan", "Jana", "Kofi",
    "Lena", "Luis", "Mara", "Mila", "Nils", "Noor", "Olga", "Omar", "Paula", "Pedro",
    "Rosa", "Sami", "Sofia", "Tariq", "Theo", "Uma", "Vera", "Viktor", "Wanda", "Yuki",
]  # fmt: skip
PLACES = [
    "Accra", "Athens", "Bergen", "Berlin", "Bilbao", "Cairo", "Cork", "Dakar", "Delhi",
    "Dublin", "Geneva", "Ghent", "Hanoi", "Izmir", "Kyoto", "Lima", "Lyon", "Malmö",
    "Milan", "Nairobi", "Oslo", "Porto", "Prague", "Quito", "Riga", "Seoul", "Sofia",
    "Tallinn", "Turin", "Utrecht", "Vienna", "Zagreb",
]  # fmt: skip
LISTS = [
    "Home",
    "Office",
    "Garden",
    "Travel",
    "Shopping",
    "Health",
    "Reading",
    "Someday",
]
TAGS = [
    "calls", "errand", "family", "finance", "five minutes", "house", "ideas", "online",
    "phone", "urgent", "waiting", "weekend",
]  # fmt: skip
PRIORITIES = Task.Priority.values
ZONES = ["Europe/Lisbon", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]


class Command(BaseCommand):
    help = (
        "Adds COUNT realistic tasks to a user, spread over a year and eight lists, with "
        "tags, priorities, due dates and subtasks. The same COUNT, --seed and --until give "
        "the same tasks. Running the command again adds them again, to the same lists."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "count", type=int, help="the number of tasks, up to 10,000,000"
        )
        parser.add_argument(
            "--owner",
            default=settings.API_GUEST,
            help="the user who gets the tasks; default: the guest (API_GUEST)",
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="of the random numbers; default: 1"
        )
        parser.add_argument(
            "--until",
            metavar="DAY",
            help="the day (YYYY-MM-DD, UTC) before which the tasks were created and "
            "completed, in the year before it; default: today",
        )

    def handle(
        self,
        *,
        count: int,
        owner: str,
        seed: int,
        until: str | None,
        verbosity: int,
        **options: object,
    ) -> None:
        if not 1 <= count <= 10_000_000:
            raise CommandError("COUNT must be from 1 to 10,000,000.")
        day = read_day(until) if until else timezone.now().date()
        if day is None:
            raise CommandError("--until must be a day as YYYY-MM-DD.")
        user = self._owner(owner)
        lists = [self._list(user, name) for name in LISTS]
        rows = make_rows(lists, count, seed, day)
        tops: list[int] = []
        quiet = verbosity < 1
        with tqdm(total=count, unit=" tasks", disable=quiet or None) as bar:
            for batch in batched(rows, BATCH):
                for row in batch:
                    # A task of the previous batch; the first batch has no subtasks.
                    number = row.pop("parent")
                    if number is not None and tops:
                        row["parent_id"] = tops[number % len(tops)]
                # A transaction for each batch, so that other writers do not wait long.
                made = Task.objects.add_all(BY, user.pk, batch)
                tops = [task.pk for task in made if task.parent_id is None]
                bar.update(len(batch))
        analyze(Task, Event, Label, Tag, Tally)
        self.stdout.write(f"Added {count:,} tasks to {user}.")

    def _list(self, owner: User, name: str) -> TaskList:
        with lock_feeds([owner.pk]):
            known = TaskList.objects.owned_by(owner.pk).named(name).first()
            return known or TaskList.objects.add(BY, owner_id=owner.pk, name=name)

    def _owner(self, username: str) -> User:
        if not username:
            raise CommandError("Name a user with --owner; API_GUEST is not set.")
        if username == settings.API_GUEST:
            guest = User.guest(username)
            if guest is not None:
                return guest
        return user_named(username, hint=True)


def make_rows(
    lists: list[TaskList], count: int, seed: int, until: date
) -> Iterator[Values]:
    """The fields of `count` tasks of the year before the day `until`, oldest first, the same
    for the same arguments. `parent` is a random number by which the caller chooses a
    parent, or None."""
    random = Random(seed)
    end = midnight(until)
    for number in range(count):
        created = end - PERIOD + PERIOD * number / count
        done = random.random() < 0.6
        completed_at = created + timedelta(minutes=random.randint(1, 20_000))
        done = done and completed_at < end
        chosen = random.random()
        row: Values = {
            "title": f"{random.choice(VERBS)} {random.choice(THINGS)}"
            f"{random.choice(ENDS) or _whom(random)}",
            "description": random.choice(NOTES),
            "completed": done,
            "completed_at": completed_at if done else None,
            "created_at": created,
            "updated_at": completed_at if done else created,
            "list_id": random.choice(lists).pk if chosen < 0.8 else None,
            "tags": random.sample(TAGS, k=random.choice([0, 0, 1, 2])),
            "priority": random.choices(PRIORITIES, [60, 12, 14, 10, 4])[0],
            "parent": random.randrange(10**6) if random.random() < 0.08 else None,
        }
        due = created + timedelta(days=random.randint(1, 700))
        if chosen < 0.4:
            row["due_date"] = due.date()
        elif chosen < 0.5:
            row |= {
                "due_at": due.replace(minute=0, second=0, microsecond=0),
                "due_timezone": random.choice(ZONES),
            }
        yield row


def _whom(random: Random) -> str:
    """The end of a title with a name or number, so that titles also have rare words."""
    match random.randrange(4):
        case 0:
            return f" with {random.choice(PEOPLE)}"
        case 1:
            return f" in {random.choice(PLACES)}"
        case 2:
            return f" no. {random.randrange(100_000)}"
    return ""

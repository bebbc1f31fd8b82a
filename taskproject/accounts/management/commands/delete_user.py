"""``manage.py delete_user``: delete a user with all of their data."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from taskproject import jobs
from taskproject.accounts.management.users import user_named
from taskproject.models import Job
from tasks.jobs import remove_user
from tasks.models import Actor


class Command(BaseCommand):
    help = (
        "Deletes a user permanently, with their tasks, lists, tags, events, tokens and "
        "calendar feed, in small transactions, so that other writers do not wait long. "
        "The user is disabled first. If the command is interrupted, run it again; a "
        "running service also resumes the deletion."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--yes", action="store_true", help="do not ask for confirmation"
        )

    def handle(
        self, *, username: str, yes: bool, verbosity: int, **options: object
    ) -> None:
        user = user_named(username)
        question = f"Delete {username} and all of their data? Type the name again: "
        try:
            if not yes and input(question) != username:
                raise CommandError("Nothing was deleted.")
        except EOFError:
            raise CommandError(
                "Nothing was deleted: nobody can confirm; add --yes."
            ) from None
        job = remove_user(user, Actor(None, "command"))
        if job is not None:
            self._finish(job, quiet=verbosity < 1)
        self.stdout.write(f"Deleted {username}.")

    def _finish(self, job: Job, quiet: bool) -> None:
        with tqdm(total=job.total, unit=" rows", disable=quiet or None) as bar:

            def report(job: Job) -> None:
                bar.update(job.done - bar.n)

            jobs.finish(job, report)

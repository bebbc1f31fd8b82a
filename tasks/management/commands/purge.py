"""``manage.py purge``: remove rows whose retention time has passed."""

from argparse import ArgumentParser
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.db import models
from django.utils import timezone
from tqdm import tqdm

from taskproject import jobs
from taskproject.accounts.attempts import WINDOW
from taskproject.accounts.models import SignInAttempt
from taskproject.models import CacheEntry, Job, StoredResponse
from tasks.models import (
    Actor,
    BulkChange,
    Task,
    Upload,
    WebhookDelivery,
)
from tasks.models.events import purge_portion
from tasks.models.outdated_keys import bring_up_to_date

BATCH = 1_000


class Command(BaseCommand):
    help = (
        "Removes tasks that have been in the trash for TRASH_DAYS, responses stored for "
        "Idempotency-Key for IDEMPOTENCY_HOURS, events older than EVENT_DAYS (except each "
        "owner's newest), expired sessions, entries of the admin's log older than "
        "ADMIN_LOG_DAYS, deliveries of webhooks older than WEBHOOK_LOG_DAYS, and records of "
        "failed sign-ins, in small transactions. Run it daily; it can be interrupted. "
        "Requests for changes whose cursor is older than the kept events get 410."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count the rows, but remove nothing"
        )

    def handle(self, *, dry_run: bool, verbosity: int, **options: object) -> None:
        now = timezone.now()
        trash = now - timedelta(days=settings.TRASH_DAYS)
        events = now - timedelta(days=settings.EVENT_DAYS)
        quiet = verbosity < 1
        if dry_run:
            tasks = Task.objects.trashed().filter(deleted_at__lt=trash).count()
            responses = StoredResponse.objects.expired().count()
            with tqdm(unit=" rows", disable=quiet or None) as self._bar:
                old = self._purge_events(events, dry_run=True)
            self._report("Would remove", tasks, responses, old)
            self._report_staff("Would remove", [rows.count() for rows in self._staff()])
            deliveries = WebhookDelivery.objects.expired().count()
            self._report_deliveries("Would remove", deliveries)
            return
        # Background jobs that were interrupted.
        for job in Job.objects.unfinished():
            jobs.finish(job)
        Job.objects.expired().delete()
        BulkChange.objects.expired().delete()
        Upload.objects.expired().delete()
        with tqdm(unit=" rows", disable=quiet or None) as self._bar:
            self._report(
                "Removed",
                self._purge_trash(trash),
                self._purge_rows(StoredResponse.objects.expired()),
                self._purge_events(events),
            )
            self._report_staff("Removed", [*map(self._purge_rows, self._staff())])
            deliveries = self._purge_rows(WebhookDelivery.objects.expired())
            self._report_deliveries("Removed", deliveries)
        # Keys that the previous release wrote while this one was being deployed.
        bring_up_to_date()

    def _report(self, done: str, tasks: int, responses: int, events: int) -> None:
        self.stdout.write(
            f"{done} {tasks:,} tasks from the trash, {responses:,} stored responses and "
            f"{events:,} events."
        )

    def _report_deliveries(self, done: str, count: int) -> None:
        if count:
            self.stdout.write(f"{done} {count:,} deliveries of webhooks.")

    def _purge_trash(self, before: datetime) -> int:
        total = 0
        old = Task.objects.trashed().filter(deleted_at__lt=before)
        # In portions of a job: the owner's other writers wait for one.
        while keys := list(old.values_list("pk", flat=True)[: jobs.PORTION]):
            # Filters `old` again: tasks that were restored meanwhile are kept.
            removed = old.filter(pk__in=keys).remove(Actor(None, "command"))
            total += len(removed.changed)
            self._bar.update(len(removed.changed))
        return total

    def _staff(self) -> list[models.QuerySet[models.Model]]:
        """Expired sessions, and old entries of the admin's log and of failed sign-ins."""
        now = timezone.now()
        logged = now - timedelta(days=settings.ADMIN_LOG_DAYS)
        return [
            Session.objects.filter(expire_date__lt=now),
            LogEntry.objects.filter(action_time__lt=logged),
            SignInAttempt.objects.filter(at__lt=now - WINDOW),
            CacheEntry.objects.filter(expires__lt=now),
        ]

    def _report_staff(self, done: str, counts: list[int]) -> None:
        if any(counts):
            sessions, entries, *attempts = counts
            self.stdout.write(
                f"{done} {sessions:,} expired sessions, {entries:,} entries of the "
                f"admin's log and {sum(attempts):,} counts of failed sign-ins."
            )

    def _purge_rows(self, old: models.QuerySet[models.Model]) -> int:
        total = 0
        while keys := list(old.values_list("pk", flat=True)[:BATCH]):
            # Through `old` again: a session that was prolonged meanwhile stays.
            count, _ = old.filter(pk__in=keys).delete()
            total += count
            self._bar.update(count)
        return total

    def _purge_events(self, before: datetime, *, dry_run: bool = False) -> int:
        """From the oldest on, and each owner's horizon with them."""
        total = position = 0
        while purged := purge_portion(position, BATCH, before, dry_run=dry_run):
            position, count = purged
            total += count
            self._bar.update(count)
        return total

"""How many API requests were refused, in each hour of the last day, for the admin.

A response with an error adds one to a number in memory. A thread of each process of
`manage.py serve` adds the numbers to those in the database every INTERVAL seconds, if there
are any: what a process counted since is missing when it ends. Rows of earlier hours are
deleted then, so that there are never more than a few for each hour of a day.
"""

import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread

from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from taskproject.deadlines import deadline
from taskproject.models import RefusedRequests
from taskproject.sql import adapted, fetch

logger = logging.getLogger(__name__)

INTERVAL = 15.0  # seconds between two additions to the database
PATIENCE = 2.0  # seconds that one may take
KEPT = timedelta(days=1)
_ADD = """INSERT INTO "taskproject_refusedrequests" ("hour", "status", "number")
    VALUES (%s, %s, %s) ON CONFLICT ("hour", "status") DO UPDATE
    SET "number" = "taskproject_refusedrequests"."number" + excluded."number"
    RETURNING 1"""

#: What the database does not have yet, by the hour since 1970 and the status.
_counted: Counter[tuple[int, int]] = Counter()
_lock = Lock()


def count(status: int) -> None:
    """Counts a response with this status, 400 or above."""
    with _lock:
        _counted[int(time.time() // 3600), status] += 1


def store() -> None:
    """Adds what was counted to the database. If that fails, it is kept for the next time."""
    with _lock:
        counted = dict(_counted)
        _counted.clear()
    if not counted:
        return
    try:
        with deadline(PATIENCE, includes_connecting=True), transaction.atomic():
            # In one order, so that processes do not wait for one another in a circle.
            for (hour, status), number in sorted(counted.items()):
                at = datetime.fromtimestamp(hour * 3600, UTC)
                fetch(_ADD, [adapted(at), status, number], prepare=False)
            RefusedRequests.objects.filter(hour__lte=_first()).delete()
    except DatabaseError:
        with _lock:
            _counted.update(counted)
        raise


def by_status() -> dict[int, int]:
    """The numbers by status of the hours that began in the last 24, the highest first."""
    rows = RefusedRequests.objects.filter(hour__gt=_first()).values("status")
    numbers = rows.annotate(all=Sum("number")).order_by("-all", "status")
    return dict(numbers.values_list("status", "all"))


def start() -> None:
    """Starts the thread of this process."""
    Thread(target=_store_forever, name="refusals", daemon=True).start()


def _first() -> datetime:
    return datetime.now(UTC) - KEPT


def _store_forever() -> None:
    while True:
        time.sleep(INTERVAL)
        try:
            store()
        except DatabaseError as error:
            logger.warning(
                "refused requests cannot be stored: %s", type(error).__name__
            )
        except Exception:
            logger.exception("refused requests cannot be stored")
        finally:
            connection.close()

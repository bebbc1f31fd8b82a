"""The tallies while many write at the same moment: in the end they are what counting gives.

`--writes-for=600` has them write for ten minutes.
"""

import random
import time
from collections import Counter
from functools import partial

import pytest
from django.db import OperationalError
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_token
from tests.support.random_requests import draw
from tests.support.tallies import recounted, tallies
from tests.support.threads import at_once

#: Clients of each of the two users.
CLIENTS = 3
#: Seconds that a slow machine may take longer.
PATIENCE = 120


def written(statuses: Counter[int]) -> int:
    return statuses[200] + statuses[201] + statuses[204]


def _client(token: str, seed: int, seconds: float, until: float) -> Counter[int]:
    """The statuses of random requests of one client, of which one a second must succeed."""
    chance, api, statuses = random.Random(seed), ApiClient(token), Counter[int]()
    while (now := time.monotonic()) < until or (
        written(statuses) < seconds and now < until + PATIENCE
    ):
        method, path, body = draw(chance, lambda path: api.get(path).json())
        statuses[api.send(method, path, body).status_code] += 1
    return statuses


def go_past_the_api(owners: list[int], seed: int, until: float) -> Counter[int]:
    """Transfers, and updates that no verb makes, which may be chosen to end a deadlock."""
    chance, statuses = random.Random(seed), Counter[int]()
    while time.monotonic() < until:
        keys = Task.objects.order_by("?").values_list("pk", flat=True)[:3]
        some = Task.objects.filter(pk__in=list(keys))
        completed = chance.random() < 0.5
        at = timezone.now() if completed else None
        try:
            if chance.random() < 0.5:
                some.edit(BY, owner_id=chance.choice(owners))
            else:
                some.update(completed=completed, completed_at=at)
        except OperationalError:
            statuses[503] += 1
        time.sleep(0.01)
    return statuses


@pytest.mark.django_db(transaction=True)
def test_the_tallies_are_right_after_concurrent_writes(
    alice: User, bob: User, request: pytest.FixtureRequest
) -> None:
    seconds = request.config.getoption("--writes-for")
    seed = time.time_ns()
    tokens = [make_token(user) for user in (alice, bob) for _ in range(CLIENTS)]
    until = time.monotonic() + seconds

    done = at_once(
        [
            *(
                partial(_client, token, seed + n, seconds, until)
                for n, token in enumerate(tokens)
            ),
            partial(go_past_the_api, [alice.pk, bob.pk], seed, until),
        ]
    )

    statuses = sum(done, Counter[int]())
    assert tallies() == recounted(), (seed, statuses)
    assert written(statuses) > 5 * seconds, (seed, statuses)
    assert not statuses[500], (seed, statuses)

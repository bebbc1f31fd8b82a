"""Keys of texts: brought up to date, a few tasks a transaction"""

import threading

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from taskproject.accounts.models import User
from tasks.models import Task, outdated_keys, words
from tests.conftest import ApiClient, make_task


def make_old(owner: User, title: str, search: str, sorted_title: str = "") -> Task:
    """A task whose keys are of another release."""
    task = make_task(owner, title)
    Task.objects.filter(pk=task.pk).update(search=search, sorted_title=sorted_title)
    return task


def titles(api: ApiClient, question: str) -> list[str]:
    answer = api.send("GET", f"/api/tasks?sort=title&q={question}")
    return [item["title"] for item in answer.json()["items"]]


def assert_current(*tasks: Task) -> None:
    for task in tasks:
        task.refresh_from_db()
        assert task.search == words.search_key(task.title, task.description)
        assert task.sorted_title == words.sort_key(task.title)


def test_old_keys_are_made_anew(api: ApiClient, alice: User) -> None:
    before = make_task(alice, "Buy milk")
    old = make_old(alice, "Łódź", "łodz |", "łodz")
    thai = make_old(alice, "ซื้อนม", "ซ อนม|", "ซื้อนม")
    assert titles(api, "lodz") == []

    assert outdated_keys.bring_up_to_date() == 2

    assert_current(before, old, thai)
    assert titles(api, "lodz") == ["Łódź"]
    assert titles(api, "นม") == ["ซื้อนม"]
    assert (old.version, old.updated_at) == (1, old.created_at)


def test_keys_of_before_the_parts_could_be_told_apart_are_made_anew(
    api: ApiClient, alice: User
) -> None:
    old = make_old(alice, "Łódź", "łodz")

    assert outdated_keys.bring_up_to_date() == 1
    assert_current(old)


def test_a_second_run_finds_nothing_to_do(alice: User) -> None:
    make_old(alice, "Łódź", "łodz |")
    make_task(alice, "Øre", description="Ærø | x")
    outdated_keys.bring_up_to_date()

    assert outdated_keys.bring_up_to_date() == 0


def test_a_run_that_was_stopped_goes_on(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [make_old(alice, f"Łódź {n}", f"łodz {n} |") for n in range(5)]
    whole = outdated_keys._rewrite
    monkeypatch.setattr(outdated_keys, "LOOKED_AT", 2)

    def stop(some: list[int], wait: bool = False) -> set[int]:
        if tasks[3].pk in some:
            raise KeyboardInterrupt
        return whole(some, wait)

    monkeypatch.setattr(outdated_keys, "_rewrite", stop)
    with pytest.raises(KeyboardInterrupt):
        outdated_keys.bring_up_to_date(written=1)
    monkeypatch.setattr(outdated_keys, "_rewrite", whole)

    assert outdated_keys.bring_up_to_date(written=1) == 2
    assert_current(*tasks)


def test_purge_makes_anew_what_the_release_before_wrote(alice: User) -> None:
    old = make_old(alice, "Łódź", "łodz |")

    call_command("purge", verbosity=0)

    assert_current(old)


@pytest.mark.parametrize(
    "body",
    [
        {"title": "Łódź"},
        {"title": "Plain"},
        {"description": "Ærø"},
        {"description": "Plain"},
        {"title": "Ø", "description": "Plain"},
        {"title": "Plain", "description": ""},
    ],
)
@pytest.mark.parametrize("title", ["Plain one", "Đà Nẵng"])
@pytest.mark.parametrize("description", ["", "Plain too.", "นมและไข่"])
@pytest.mark.django_db(transaction=True)
def test_a_change_of_either_text_makes_the_same_key(
    api: ApiClient, alice: User, title: str, description: str, body: dict[str, str]
) -> None:
    task = make_task(alice, title, description=description)

    assert api.send("PATCH", f"/api/tasks/{task.pk}", body).status_code == 200

    assert_current(task)


@pytest.mark.django_db(transaction=True)
def test_a_change_of_a_title_makes_the_rest_of_an_old_key_anew(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice, "Old", description="Łódź")
    Task.objects.filter(pk=task.pk).update(search="old | łodz")

    assert (
        api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "New"}).status_code == 200
    )

    assert_current(task)


def test_the_release_before_can_still_change_such_keys(alice: User) -> None:
    """Its statements keep what stands between the first two SEPARATOR, and what they write
    is told from what this one does."""
    task = make_task(alice, "Ёж", description="Мёд")

    parts = task.search.split("|")
    assert parts == ["еж ", " мед", ""]
    Task.objects.filter(pk=task.pk).update(search=f"ўж |{parts[1]}", title="Ўж")
    assert outdated_keys.bring_up_to_date() == 1


@pytest.mark.skipif(not settings.ON_POSTGRESQL, reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_a_task_that_somebody_writes_is_waited_for_last(alice: User) -> None:
    tasks = [make_old(alice, f"Łódź {n}", f"łodz {n} |") for n in range(3)]
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Task.objects.select_for_update().filter(pk=tasks[0].pk))
            locked.set()
            # The others are written meanwhile.
            done.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(20)
    rewrite = outdated_keys._rewrite

    def watched(some: list[int], wait: bool = False) -> set[int]:
        if wait:
            assert not Task.objects.filter(
                pk__in=[task.pk for task in tasks[1:]], search__startswith="ł"
            ).exists()
            done.set()
        return rewrite(some, wait)

    try:
        outdated_keys._rewrite = watched  # type: ignore[assignment]
        assert outdated_keys.bring_up_to_date() == 3
    finally:
        outdated_keys._rewrite = rewrite
        done.set()
        holder.join()
    assert_current(*tasks)

"""Writes drawn by chance: whatever the API offers, on what there is at the moment."""

import random
from collections.abc import Callable
from typing import Any


def draw(chance: random.Random, read: Callable[[str], Any]) -> tuple[str, str, Any]:
    """The method, path and body of an operation on what is there; `read` returns the JSON
    at a path."""
    tasks = read("/api/tasks?limit=30")["items"]
    lists = read("/api/lists")["items"]
    tags = read("/api/tags")["items"]
    some = chance.choice(tasks)["id"] if tasks else 1
    other = chance.choice(tasks)["id"] if tasks else 2
    into = chance.choice([None, *(row["id"] for row in lists)])
    names = chance.sample(["home", "Errand", "work", "später", "買い物"], 2)
    fields: dict[str, Any] = {
        "title": f"Task {chance.randrange(1_000)} Łódź",
        "description": chance.choice(["", "some words", "and others"]),
        "list": into,
        "tags": names,
        "due_date": chance.choice([None, "2026-12-31", "1900-01-01"]),
    }
    one = dict([chance.choice([*fields.items()])])
    place = chance.choice(["before", "after"])
    at = f"/api/tasks/{some}"
    choices: list[tuple[int, tuple[str, str, Any]]] = [
        (8, ("POST", "/api/tasks", fields)),
        (2, ("POST", "/api/tasks", {"title": "Below", "parent": some})),
        (6, ("PATCH", at, one)),
        (2, ("PATCH", at, {"completed": chance.random() < 0.5})),
        (1, ("PUT", at, fields)),
        (4, ("POST", f"{at}/toggle", None)),
        (2, ("POST", f"{at}/complete", None)),
        (1, ("POST", f"{at}/reopen", None)),
        (3, ("POST", f"{at}/move", {place: other})),
        (2, ("DELETE", at, None)),
        (1, ("DELETE", f"{at}?permanent=true", None)),
        (1, ("POST", f"/api/tasks/{other}/restore", None)),
        (2, ("POST", "/api/tasks/batch", _batch(chance, some, other))),
        (1, ("POST", "/api/lists", {"name": f"List {chance.randrange(6)}"})),
    ]
    if lists:
        row = chance.choice(lists)["id"]
        kept = chance.choice(["keep", "delete"])
        choices.append((1, ("DELETE", f"/api/lists/{row}?tasks={kept}", None)))
    if tags:
        row = chance.choice(tags)["id"]
        name = f"tag {chance.randrange(4)}"
        choices.append((1, ("PATCH", f"/api/tags/{row}", {"name": name})))
        choices.append((1, ("DELETE", f"/api/tags/{row}", None)))
    weights, requests = zip(*choices, strict=True)
    chosen: tuple[str, str, Any] = chance.choices(requests, weights)[0]
    return chosen


def _batch(chance: random.Random, some: int, other: int) -> dict[str, Any]:
    operations: list[dict[str, Any]] = [
        {"op": "create", "body": {"title": "In a batch", "tags": ["work"]}},
        {"op": "toggle", "id": some},
        {"op": "update", "id": some, "body": {"description": "batched"}},
        {"op": "complete", "id": other},
        {"op": "move", "id": some, "body": {"after": other}},
    ]
    chance.shuffle(operations)
    return {"operations": operations[: chance.randrange(1, 6)], "atomic": False}

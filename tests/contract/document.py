"""The OpenAPI document as a client reads it, and what it says of an answer."""

import json
from typing import Any

import jsonschema_rs

# Clients are generated from these: a name, once published, stays.
OPERATIONS = {
    "list_tasks": "GET /api/tasks",
    "create_task": "POST /api/tasks",
    "get_task": "GET /api/tasks/{task_id}",
    "replace_task": "PUT /api/tasks/{task_id}",
    "update_task": "PATCH /api/tasks/{task_id}",
    "delete_task": "DELETE /api/tasks/{task_id}",
    "toggle_task": "POST /api/tasks/{task_id}/toggle",
    "complete_task": "POST /api/tasks/{task_id}/complete",
    "reopen_task": "POST /api/tasks/{task_id}/reopen",
    "skip_task": "POST /api/tasks/{task_id}/skip",
    "preview_recurrence": "GET /api/recurrences/preview",
    "restore_task": "POST /api/tasks/{task_id}/restore",
    "move_task": "POST /api/tasks/{task_id}/move",
    "count_tasks": "GET /api/tasks/counts",
    "batch_tasks": "POST /api/tasks/batch",
    "export_tasks": "GET /api/tasks/export",
    "get_calendar": "GET /api/calendar",
    "create_calendar": "POST /api/calendar",
    "delete_calendar": "DELETE /api/calendar",
    "read_calendar": "GET /api/calendar/{secret}.ics",
    "list_lists": "GET /api/lists",
    "create_list": "POST /api/lists",
    "get_list": "GET /api/lists/{list_id}",
    "update_list": "PATCH /api/lists/{list_id}",
    "delete_list": "DELETE /api/lists/{list_id}",
    "move_list": "POST /api/lists/{list_id}/move",
    "list_tags": "GET /api/tags",
    "get_tag": "GET /api/tags/{tag_id}",
    "rename_tag": "PATCH /api/tags/{tag_id}",
    "delete_tag": "DELETE /api/tags/{tag_id}",
    "get_job": "GET /api/jobs/{job_id}",
    "list_trash": "GET /api/tasks/trash",
    "empty_trash": "DELETE /api/tasks/trash",
    "list_history": "GET /api/tasks/{task_id}/history",
    "list_changes": "GET /api/changes",
    "stream_changes": "GET /api/changes/stream",
    "undo_changes": "POST /api/undo",
    "get_snapshot": "GET /api/snapshot",
    "list_reminders": "GET /api/reminders",
    "get_me": "GET /api/me",
    "update_me": "PATCH /api/me",
    "export_me": "GET /api/me/export",
    "delete_me": "DELETE /api/me",
    "get_deletion": "GET /api/deletions/{receipt}",
    "list_tokens": "GET /api/tokens",
    "create_token": "POST /api/tokens",
    "revoke_token": "DELETE /api/tokens/{token_id}",
    "list_webhooks": "GET /api/webhooks",
    "create_webhook": "POST /api/webhooks",
    "get_webhook": "GET /api/webhooks/{webhook_id}",
    "update_webhook": "PATCH /api/webhooks/{webhook_id}",
    "delete_webhook": "DELETE /api/webhooks/{webhook_id}",
    "rotate_webhook": "POST /api/webhooks/{webhook_id}/rotate",
    "test_webhook": "POST /api/webhooks/{webhook_id}/test",
    "list_deliveries": "GET /api/webhooks/{webhook_id}/deliveries",
    "redeliver_webhook": "POST /api/webhooks/{webhook_id}/redeliver",
    "list_problems": "GET /api/problems",
}
# Headers that only some answers of their status carry.
SOMETIMES = {"Link", "Idempotency-Replayed", "Retry-After"}


def resolve(document: Any, part: Any) -> Any:
    """The part, or the component that it refers to; of a schema that adds members to another
    one, with the members of both."""
    if "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    if "allOf" in part:
        parts = [resolve(document, one) for one in part["allOf"]]
        part = part | {
            "type": "object",
            "properties": {k: v for one in parts for k, v in one["properties"].items()},
            "required": [name for one in parts for name in one["required"]],
        }
    return part


def operations(document: Any) -> dict[str, Any]:
    """The operations, with the parameters, bodies, responses and headers that they refer to."""
    return {
        operation["operationId"]: _operation(document, operation)
        for operations in document["paths"].values()
        for operation in operations.values()
    }


def _operation(document: Any, operation: Any) -> Any:
    resolved = operation | {
        "parameters": [resolve(document, one) for one in operation["parameters"]],
        "responses": {
            status: _response(document, resolve(document, response))
            for status, response in operation["responses"].items()
        },
    }
    if "requestBody" in operation:
        resolved["requestBody"] = resolve(document, operation["requestBody"])
    return resolved


def _response(document: Any, response: Any) -> Any:
    headers = response.get("headers", {}).items()
    return response | {
        "headers": {name: resolve(document, one) for name, one in headers}
    }


def validate(document: Any, schema: Any, value: Any) -> None:
    """That the value is what the schema of the document says."""
    jsonschema_rs.Draft202012Validator(
        {**schema, "components": document["components"]}, validate_formats=True
    ).validate(value)


def fulfils(document: Any, operation: str, answer: Any) -> None:
    """That the document lists the answer: status, media type, body and headers."""
    described = operations(document)[operation]["responses"]
    response = described.get(str(answer.status_code), described["default"])
    if "content" not in response:
        assert answer.content == b"" and "Content-Type" not in answer.headers
    else:
        media_type = answer.headers["Content-Type"].partition(";")[0]
        content = b"".join(answer)
        # A file is described as text.
        told = json.loads(content) if media_type.endswith("json") else content.decode()
        validate(document, response["content"][media_type]["schema"], told)
    for name in response["headers"]:
        # `default` has the challenge of refused callers, and is of other errors as well.
        if name == "WWW-Authenticate" and answer.status_code not in (401, 403):
            continue
        assert name in answer.headers or name in SOMETIMES, name

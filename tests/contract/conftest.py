"""The document of the API."""

import json
from typing import Any

import pytest

from taskproject.api import api as api_object


@pytest.fixture(scope="module")
def document() -> Any:
    """As a client reads it."""
    return json.loads(json.dumps(api_object.get_openapi_schema()))


@pytest.fixture
def definitions() -> Any:
    """Validators of OpenAPI documents. Importing them takes a second, which only a process
    that uses them needs."""
    from schemathesis.specs.openapi import definitions

    return definitions

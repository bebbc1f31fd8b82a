"""The document of the API."""

import json
from typing import Any

import pytest

from taskproject.api import api as api_object


@pytest.fixture(scope="module")
def document() -> Any:
    """As a client reads it."""
    return json.loads(json.dumps(api_object.get_openapi_schema()))

"""/api/docs (tests/contract looks at what it loads)"""

import re

import pytest
from django.test import Client

from tests.conftest import ApiClient

pytestmark = pytest.mark.either_database


def test_it_has_the_csrf_token_of_who_is_signed_in(
    nobody: ApiClient, staff: Client
) -> None:
    assert re.search('data-csrf-token="[^"]+"', staff.get("/api/docs").content.decode())
    assert "csrf" not in nobody.get("/api/docs").content.decode()


def test_it_shows_the_document_of_the_paths_of_sign_in_too(nobody: ApiClient) -> None:
    for query, address in (
        ("", "/api/openapi.json"),
        ("?document=auth", "/api/auth/openapi.json"),
        ("?document=http://evil.example/x.json", "/api/openapi.json"),
    ):
        page = nobody.get(f"/api/docs{query}").content.decode()

        assert f'"url": "{address}"' in page
        assert f'<a href="{address}">OpenAPI document</a>' in page
        assert page.count('aria-current="page"') == 1
        assert "evil" not in page
        assert nobody.get(address).status_code == 200

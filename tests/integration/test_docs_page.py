"""/api/docs (tests/contract looks at what it loads)"""

import re

from django.test import Client

from tests.conftest import ApiClient


def test_it_has_the_csrf_token_of_who_is_signed_in(
    nobody: ApiClient, staff: Client
) -> None:
    assert re.search('data-csrf-token="[^"]+"', staff.get("/api/docs").content.decode())
    assert "csrf" not in nobody.get("/api/docs").content.decode()

"""Settings that need a package which is not in requirements.txt"""

import re
import sys

import pytest

from tests.unit.test_settings import ROOT, refusal


@pytest.mark.parametrize(
    ("variable", "module"),
    [
        ("SENTRY_DSN", "sentry_sdk"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.exporter.otlp.proto.http"),
    ],
)
def test_a_setting_whose_package_is_missing_says_what_to_install(
    variable: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = refusal(**{variable: "https://public@example.com/1"})
    installs = re.search(r"pip install '([^']+)'", said)

    assert installs and variable in said
    for document in ("docs/operations.md", "pyproject.toml"):
        text = " ".join((ROOT / document).read_text().split())
        assert installs[1] in text, document

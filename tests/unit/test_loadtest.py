"""`manage.py loadtest`, on a service in memory that breaks its promises."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tasks.loadtest.figures import percentile
from tests.support.fake_service import fake_service

TOKEN = "tk_" + "secret" * 6


def run(url: str, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    """The exit status and the result of a short load."""
    status = 0
    try:
        call_command(
            *("loadtest", url, "--token", TOKEN, "--connections", "2", "--json"),
            *("--requests", "60", "--verbosity", "0", *args),
        )
    except SystemExit as exit:
        status = int(str(exit.code))
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("loses a task", "lost"),
        ("loses an update", "lost"),
        ("loses an event", "lost"),
        ("creates a task twice", "duplicated"),
        ("tells an event twice", "duplicated"),
        ("forgets keys", "duplicated"),
        ("reads an old copy", "stale"),
    ],
)
def test_it_finds_a_service_that(
    fault: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_service(fault) as (url, _):
        status, result = run(url, capsys)

    assert status == 1 and result["ok"] is False
    assert result[kind] > 0 and result["faults"]


def test_it_removes_what_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service() as (url, service):
        status, result = run(url, capsys)

    assert status == 0
    assert 60 <= result["requests"] < 70
    assert result["acknowledged"] > 20 and result["repeated"] > 0
    assert (service.tasks, service.lists, result["left"]) == ({}, {}, [])


def test_it_keeps_it_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service() as (url, service):
        _, result = run(url, capsys, "--keep")

    assert [*service.lists.values()] == result["left"]
    assert len(service.tasks) == result["tasks"]


@pytest.mark.parametrize("fault", ["is busy", "is throttled"])
def test_a_refusal_is_no_error_and_the_request_is_repeated(
    fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_service(fault) as (url, _):
        status, result = run(url, capsys)

    assert status == 0
    assert sum(result["refused"].values()) == 1 and result["errors"] == {}


def test_a_write_without_a_response_is_sent_again_and_done_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fake_service("hangs up") as (url, _):
        status, result = run(url, capsys, "--max-errors", "4")

    assert status == 0
    assert all(kind.endswith("connection broken") for kind in result["errors"])
    assert result["errors"]
    assert (result["lost"], result["duplicated"], result["in_doubt"]) == (0, 0, 0)


def test_ctrl_c_ends_the_load_and_what_was_made_is_read_back_and_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fake_service("is interrupted") as (url, service):
        status, result = run(url, capsys, "--requests", "1000000")

    assert status == 0 and result["interrupted"] and result["read_back"]
    assert 0 < result["acknowledged"] and service.lists == {}


def test_a_service_that_stops_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tasks.loadtest.load.PATIENCE", 0.1)
    with fake_service("dies") as (url, service):
        status, result = run(url, capsys, "--max-errors", "1000")

    assert status == 1 and not result["ok"] and not result["read_back"]
    assert result["left"] == [*service.lists.values()]


def test_more_errors_than_allowed_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service("hangs up") as (url, _):
        status, result = run(url, capsys)

    assert status == 1 and (result["lost"], result["duplicated"]) == (0, 0)


def test_the_report_is_a_page_without_scripts_and_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.html"
    with fake_service("loses a task") as (url, _):
        run(url, capsys, "--report", str(file))
    page = file.read_text()

    assert (
        page.count("<svg") == 2 and "Failed" in page and "1 lost, 0 duplicated" in page
    )
    assert re.findall(r"<script|<link|src=|https?://", page) == []
    assert TOKEN not in page


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--seconds", "0"], "from 1 to 600"),
        (["--requests", "0"], "from 1 to 1,000,000"),
        (["--connections", "0"], "--connections"),
        (["--report", "/nowhere/report.html"], "no directory"),
    ],
)
def test_bounds_are_refused(args: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("loadtest", "http://127.0.0.1:9", "--token", TOKEN, *args)

    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", "Give a URL such as"),
        ("http://127.0.0.1:99999", "Give a URL such as"),
        ("http://127.0.0.1/a path", "Give a URL such as"),
        ("http://a..b", "is unknown"),
        ("http://127.0.0.1:1", "Nothing answers"),
        # Of RFC 5737: a connection would take its time to fail.
        ("http://192.0.2.1", "--i-own-this-server"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("loadtest", url, "--token", TOKEN, "--verbosity", "0")

    assert refused.value.returncode == 2


def test_a_redirect_is_not_followed() -> None:
    with (
        fake_service("redirects") as (url, _),
        pytest.raises(CommandError, match="redirects to https://other"),
    ):
        call_command("loadtest", url, "--token", TOKEN, "--verbosity", "0")


def test_a_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOADTEST_TOKEN", raising=False)

    with (
        fake_service() as (url, _),
        pytest.raises(CommandError, match="LOADTEST_TOKEN"),
    ):
        call_command("loadtest", url)
    with pytest.raises(CommandError, match="Give a URL such as"):
        call_command("loadtest", "127.0.0.1:9")


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]

    assert [percentile(values, part) for part in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 50) == 7.0

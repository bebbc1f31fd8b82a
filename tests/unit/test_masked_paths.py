"""What the log shows of the paths that hold a secret."""

import pytest

from taskproject.pipeline import _masked

SECRET = "4MHs3g1cVQ1qD2f3sFz0u5mA7w9bXk8yJtRnLpEoZcU"


@pytest.mark.parametrize(
    "path",
    [
        "/api/calendar/{}.ics",
        "/api//calendar/{}.ics",
        "//api/calendar//{}.ics",
        "/api/./calendar/{}",
        "/API/Calendar/{}.ics",
        "/prefix/api/calendar/{}.ics/",
        "/api/calender/{}.ics",
        "/api/calendar{}",
        "/api/calendar/a/../{}.ics",
        "/api/calendar\\{}.ics",
        "/{}.ics",
        "/api/tasks/tk_{}",
        "/api/%2563alendar/{}.ics",
        "/unsubscribe/7.{}",
    ],
)
def test_no_form_of_a_path_shows_its_secret(path: str) -> None:
    shown = _masked(path.format(SECRET))

    for begin in range(len(SECRET) - 8):
        assert SECRET[begin : begin + 8] not in shown


def test_the_beginning_of_a_secret_is_not_shown() -> None:
    assert SECRET[:8] not in _masked(f"/api/calendar/{SECRET[:12]}")


@pytest.mark.parametrize(
    "path", ["/api/tasks", "/api/tasks/9223372036854775807/complete", "/api/calendar"]
)
def test_other_paths_are_shown_whole(path: str) -> None:
    assert _masked(path) == path

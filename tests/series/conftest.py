"""`make test-series`: all kinds of rules, all time zones, to the last year there is."""

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has the summary say what was compared: what a process of xdist prints is not shown."""
    return lambda text: record_property("compared", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "compared":
                terminalreporter.write_line(str(text))

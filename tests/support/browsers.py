"""A real browser: where it is, what its console says, and what axe-core finds on a page.

    def test_the_list_is_accessible(staff_page: Page) -> None:
        staff_page.goto("/admin/tasks/task/")

        assert accessible(staff_page) == []

tests/browser/conftest.py has the fixtures.
"""

import os
import re
import shutil
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, WebError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "the browser tests need Chromium. Install it (on Debian and Ubuntu: apt-get install "
    "chromium), or set CHROMIUM to its path"
)
DESKTOP = (1300, 900)
PHONE = (390, 844)
#: The narrowest page that WCAG 2.2 asks for (1.4.10).
NARROW = (320, 640)

ColorScheme = Literal["light", "dark"]
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")


def chromium() -> str | None:
    """The path of Chromium, if there is one."""
    given = os.environ.get("CHROMIUM")
    names = [given] if given else NAMES
    return next(filter(None, map(shutil.which, names)), None)


class Console:
    """The errors of all pages of a test: exceptions, failed requests, and what a
    Content-Security-Policy refused."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        self._expected: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._says)
        context.on("weberror", self._throws)

    def leave(self, context: BrowserContext) -> None:
        context.remove_listener("console", self._says)
        context.remove_listener("weberror", self._throws)

    def expect(self, *patterns: str) -> None:
        """Errors that match one of these regular expressions are part of the test: Chromium
        reports each response from 400 on, and each request without one."""
        self._expected += patterns

    @property
    def errors(self) -> list[str]:
        """Those that are not expected."""
        return [
            error
            for error in self._errors
            if not any(re.search(pattern, error) for pattern in self._expected)
        ]

    def _says(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location
            self._errors.append(
                f"{place.get('url')}:{place.get('lineNumber')} {message.text}"
            )

    def _throws(self, error: WebError) -> None:
        self._errors.append(f"{error.page and error.page.url} {error.error}")


@cache
def _axe() -> str:
    script = files("axe_playwright_python") / "axe.min.js"
    return script.read_text(encoding="utf-8")


def overflowing(
    page: Page, sizes: Iterable[tuple[int, int]] = (DESKTOP, PHONE, NARROW)
) -> list[str]:
    """The pages, and the lists, commands and cells of tables on them, whose content is wider
    than they are, at each of these sizes."""
    found: list[str] = []
    before = page.viewport_size
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        wide: list[str] = page.evaluate(
            """() => Array.from(document.querySelectorAll('html, .results, pre, td, th'))
                .filter(it => it.scrollWidth > it.clientWidth + 1)
                .map(it => it.outerHTML.slice(0, 200))"""
        )
        found += [f"{width}: {element}" for element in wide]
    if before is not None:
        page.set_viewport_size(before)
    return found


def accessible(page: Page, schemes: Iterable[ColorScheme] = SCHEMES) -> list[str]:
    """What axe-core finds wrong with the page as it is now, by all of its rules (WCAG 2.2 AA
    and good practice): in light, then in dark colours."""
    found: list[str] = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # Not as an element of the page, which its policy would refuse; nor does axe then
        # load the stylesheets again into such elements.
        page.evaluate(f"window.axe || (() => {{{_axe()}}})()")
        result: dict[str, Any] = page.evaluate(
            "axe.run({resultTypes: ['violations'], preload: false})"
        )
        for violation in result["violations"]:
            for node in violation["nodes"]:
                found.append(
                    f"{scheme}: {violation['id']}: {node['html'][:200]} "
                    f"({node['failureSummary']})"
                )
    return found

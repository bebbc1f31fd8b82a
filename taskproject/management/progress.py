"""Progress bars of commands."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from taskproject.backups import Progress


@contextmanager
def bar(what: str, *, quiet: bool) -> Iterator[Progress]:
    """A function that shows how much is done, on standard error if that is a terminal: logs and
    mails of timers have no bars."""
    with tqdm(
        desc=what, unit="", unit_scale=True, disable=quiet or None, file=sys.stderr
    ) as shown:

        def show(done: int, total: int | None) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield show

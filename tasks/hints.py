"""Hints: server-sent events that tell a client that its feed has changes. The feed has them."""

from random import randint

from django.http import HttpResponse

from tasks import cursors

#: Milliseconds after which a client connects again. They differ, so that the clients of a
#: process that is restarted do not come back at once.
RETRY = (1_000, 3_000)


def hint(sequence: int) -> bytes:
    """The event: the cursor of the feed's end, which is its id too.

    The id is its last line: some clients take it over before they have the whole event, and if
    the stream broke off in between, the hint would be lost to them.
    """
    cursor = cursors.encode("after", sequence)
    return f'data: {{"cursor":"{cursor}"}}\nid: {cursor}\n\n'.encode()


class HintResponse(HttpResponse):
    """The beginning of a stream, with a hint unless the client knows (by `Last-Event-ID`) the
    cursor of now. `manage.py push` goes on with it. Where another process responds, it ends here,
    and browsers ask again after RETRY."""

    def __init__(self, user_id: int, sequence: int, known: str | None) -> None:
        begin = f"retry: {randint(*RETRY)}\n\n".encode()  # no secret
        if known != cursors.encode("after", sequence):
            begin += hint(sequence)
        super().__init__(
            begin,
            content_type="text/event-stream",
            # Without it, nginx in front would wait for the end.
            headers={"X-Accel-Buffering": "no"},
        )
        self.user_id = user_id
        self.sequence = sequence

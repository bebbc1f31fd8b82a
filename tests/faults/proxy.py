"""A TCP proxy in this process, for what a network does at its worst: connections cut
with a reset, refused or silent, and answers that get lost."""

import asyncio
import re
import socket
import struct
from collections.abc import Coroutine
from threading import Event, Thread
from typing import Any, Self

# SO_LINGER on, for 0 seconds: closing sends a reset instead of a farewell.
RESET = struct.pack("ii", 1, 0)
HOST = "127.0.0.1"
KEY_DATA = b"K\0\0\0\x0c\x7f\x01\x02\x03"


class Proxy:
    """Forwards connections to its own `port` on to `target`, until told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._doomed: bytes | None = None
        self._pooling = False
        self.lost = Event()
        self.port = 0
        # Connections so far.
        self.accepted = 0

    def __enter__(self) -> Self:
        self._flowing.set()
        self._thread.start()
        self.admit()
        return self

    def __exit__(self, *error: object) -> None:
        self.refuse()
        self.cut()
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Resets every connection, at both ends."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Lets nobody connect; those who are connected stay so."""
        self._run(self._refuse())

    def admit(self) -> None:
        """The end of `refuse`."""
        self._run(self._admit())

    def freeze(self) -> None:
        """Goes silent: connections stay, new ones come about, and nothing arrives."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """The end of `freeze`; what was sent meanwhile arrives now."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def lose(self, mark: bytes) -> None:
        """Loses the next answer that contains `mark`: sets `lost` when it came by, and
        its connection stays silent until `cut`."""
        self.lost.clear()
        self._doomed = mark

    def pool(self) -> None:
        """Gives new sessions process ids of its own making from now on, as poolers do."""
        self._pooling = True

    def _run(self, task: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(task, self._loop).result(timeout=10)

    async def _admit(self) -> None:
        # The port stays the same, for those who know it.
        self._listener = await asyncio.start_server(
            self._forward, HOST, self.port, backlog=256, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _cut(self) -> None:
        for writer in self._open:
            if writer.is_closing():
                continue
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._open.clear()

    async def _finish(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        self._open.add(writer)
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection(HOST, self._target)
        except OSError:
            self._open.discard(writer)
            writer.close()
            return
        self._open.add(back)
        await asyncio.gather(
            self._pump(reader, back, answers=False),
            self._pump(there, writer, answers=True),
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool
    ) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flowing.wait()
                if answers and self._doomed is not None and self._doomed in data:
                    self._doomed = None
                    self.lost.set()
                    return
                if answers and self._pooling:
                    # PostgreSQL's BackendKeyData: its length, a process id, a secret.
                    data = re.sub(b"K\0\0\0\x0c....", KEY_DATA, data, flags=re.DOTALL)
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()
        finally:
            if writer.is_closing():
                self._open.discard(writer)

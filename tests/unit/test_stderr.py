"""taskproject/stderr.py: writing without waiting for the reader."""

import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from taskproject import stderr
from taskproject.stderr import Writer

LINE = b'{"n": %06d}' + b"." * 200 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        os.close(end)


def writer(descriptor: int) -> Writer:
    return Writer(descriptor, lambda count: b"lost %d\n" % count)


def read_to(end: int, last: bytes) -> list[bytes]:
    """The lines up to one that begins with `last`."""
    data = b""
    while not any(line.startswith(last) for line in data.splitlines()):
        data += os.read(end, 65_536)
    return data.splitlines(keepends=True)


def test_lines_that_are_read_come_at_once_and_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    log = writer(write)

    for number in range(100):
        log.write(LINE % number)

    assert os.read(read, 65_536) == b"".join(LINE % number for number in range(100))
    assert os.get_blocking(write)  # which others share


def test_a_reader_that_stalls_keeps_nobody_waiting_and_loses_nothing(
    pipe: tuple[int, int],
) -> None:
    read, write = pipe
    log = writer(write)
    started = time.process_time()
    count = 1_000  # three times what a pipe holds

    for number in range(count):
        log.write(LINE % number)
    assert time.process_time() - started < 2

    lines = read_to(read, b'{"n": %06d' % (count - 1))
    assert lines == [LINE % number for number in range(count)]
    log.flush()


def test_lines_beyond_the_bound_are_dropped_and_counted_at_their_place(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stderr, "MAX_BYTES", 10 * len(LINE % 0))
    read, write = pipe
    log = writer(write)
    for number in range(1_000):
        log.write(LINE % number)

    lines = read_to(read, b"lost")
    log.flush()
    log.write(LINE % 1_000)

    kept = lines[:-1]
    assert kept == [LINE % number for number in range(len(kept))]
    assert lines[-1] == b"lost %d\n" % (1_000 - len(kept))
    assert os.read(read, 65_536) == LINE % 1_000


def test_a_line_longer_than_a_pipe_stays_whole(pipe: tuple[int, int]) -> None:
    read, write = pipe
    log = writer(write)
    long = b"x" * 200_000 + b"\n"

    log.write(long)
    log.write(b"end\n")

    assert read_to(read, b"end") == [long, b"end\n"]


def test_many_threads_write_whole_lines(pipe: tuple[int, int]) -> None:
    read, write = pipe
    log = writer(write)

    def work(first: int) -> None:
        for number in range(first, first + 200):
            log.write(LINE % number)

    threads = [Thread(target=work, args=[n * 200]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.write(b"end\n")

    lines = read_to(read, b"end")
    assert sorted(lines[:-1]) == [LINE % number for number in range(800)]
    log.flush()


def test_a_reader_that_is_gone_hurts_nobody() -> None:
    read, write = os.pipe()
    log = writer(write)
    log.write(b"one\n")
    os.close(read)

    for number in range(1_000):
        log.write(LINE % number)
    log.flush()

    os.close(write)


def test_a_socket_that_nobody_reads_keeps_nobody_waiting() -> None:
    """As under systemd."""
    near, far = socket.socketpair()
    with near, far:
        log = writer(near.fileno())
        for number in range(2_000):
            log.write(LINE % number)

        lines = read_to(far.fileno(), b'{"n": 001999')
        log.flush()
    assert lines == [LINE % number for number in range(2_000)]


def test_a_file_is_written_to_as_it_comes(tmp_path: Path) -> None:
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)

    writer(descriptor).write(b"one\n")

    assert file.read_bytes() == b"one\n"
    os.close(descriptor)


def test_where_nothing_opens_a_pipe_again_a_thread_waits(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stderr, "_without_waiting", lambda _: None)
    read, write = pipe
    log = writer(write)

    for number in range(1_000):
        log.write(LINE % number)

    assert len(read_to(read, b'{"n": 000999')) == 1_000
    log.flush()

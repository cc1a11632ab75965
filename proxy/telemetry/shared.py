"""Writing to standard output and error, which other processes write to as well, and which perhaps nobody reads."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress

AT_ONCE = select.PIPE_BUF
"""Bytes that a pipe takes as one or not at all (pipe(7))."""


def is_stream(fd: int) -> bool:
    """A pipe or a socket: somebody has to read it, and what is written at the same time may be mixed."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def pieces(data: bytes) -> Iterator[bytes]:
    """Of whole lines, as many as may be written as one; a longer line is a piece of its own."""
    begin = 0
    while begin < len(data):
        end = data.rfind(b"\n", begin, begin + AT_ONCE) + 1 or data.find(b"\n", begin) + 1 or len(data)
        yield data[begin:end]
        begin = end


def put(fd: int, data: bytes) -> bool:
    """Write at most AT_ONCE bytes without waiting for a reader. False: there was no room for them."""
    try:
        if not is_stream(fd):
            os.write(fd, data)
        elif stat.S_ISSOCK(os.fstat(fd).st_mode):
            _send(fd, data)
        else:
            _write_to_pipe(fd, data)
    except BlockingIOError:
        return False
    return True


def _send(fd: int, data: bytes) -> None:
    end = socket.socket(fileno=fd)
    try:
        end.send(data, socket.MSG_DONTWAIT)
    finally:
        end.detach()


def _write_to_pipe(fd: int, data: bytes) -> None:
    """Not to wait is a matter of the open file, which others share: so it is opened anew."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no descriptor left, or somebody else's pipe
        own = -1
    if own < 0 and not select.select([], [fd], [], 0)[1]:
        raise BlockingIOError
    try:
        os.write(fd if own < 0 else own, data)
    finally:
        if own >= 0:
            os.close(own)


def write_together(fd: int, data: bytes) -> None:
    """Write whole lines, and wait for whoever reads. Those that several processes write so are not mixed."""
    if not is_stream(fd):
        write_all(fd, data)
        return
    with suppress(OSError):
        fcntl.lockf(fd, fcntl.LOCK_EX)  # for lines that are longer than what is written as one
    try:
        for piece in pieces(data):
            write_all(fd, piece)
    finally:
        with suppress(OSError):
            fcntl.lockf(fd, fcntl.LOCK_UN)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

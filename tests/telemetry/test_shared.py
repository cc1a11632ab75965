"""Standard output and error as pipes and sockets that are not read, or that several processes write to."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.app_log import CUT, Unwaiting
from proxy.telemetry.shared import AT_ONCE, pieces, put

LINE = st.binary(max_size=2 * AT_ONCE).map(lambda line: line.replace(b"\n", b" ") + b"\n")


@given(st.lists(LINE, max_size=12))
def test_pieces_are_whole_lines_as_many_as_fit(lines: list[bytes]) -> None:
    found = list(pieces(b"".join(lines)))
    assert b"".join(found) == b"".join(lines)
    for each in found:
        assert len(each) <= AT_ONCE or each.count(b"\n") <= 1
    for each, following in pairwise(found):
        assert each.endswith(b"\n")
        first = following[: following.find(b"\n") + 1]
        assert len(each) + len(first) > AT_ONCE


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """To read from and to write to; small."""
    if request.param == "pipe":
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, AT_ONCE)
    else:
        one, two = socket.socketpair()
        two.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, AT_ONCE)
        read, write = one.detach(), two.detach()
    yield read, write
    os.close(read)
    with suppress(OSError):
        os.close(write)


def test_nobody_is_waited_for(ends: tuple[int, int]) -> None:
    read, write = ends
    written = 0
    while put(write, b"x" * 999 + b"\n"):
        written += 1000
    assert os.get_blocking(write), "the open file is others' too"
    received = 0
    while received < written:
        received += len(os.read(read, 1 << 16))
    assert put(write, b"there is room again\n")


def test_lines_that_nobody_read_are_counted(ends: tuple[int, int]) -> None:
    read, write = ends
    handler = Unwaiting(write)
    for number in range(1000):
        handler.emit(logging.LogRecord("proxy", logging.INFO, "", 0, "line %d " + "x" * 99, (number,), None))
    before = os.read(read, 1 << 20)
    while before.count(b"\n") < 1:
        before += os.read(read, 1 << 20)
    handler.emit(logging.LogRecord("proxy", logging.INFO, "", 0, "the last", (), None))
    os.close(write)
    data = before
    while piece := os.read(read, 1 << 20):
        data += piece
    *lines, told, last = data.decode().splitlines()
    assert [line.split()[1] for line in lines] == [str(number) for number in range(len(lines))]
    assert (told, last) == (f"{1000 - len(lines)} lines of this log were dropped: nobody read them", "the last")


def test_a_line_too_long_to_be_written_as_one_is_cut(ends: tuple[int, int]) -> None:
    read, write = ends
    Unwaiting(write).emit(logging.LogRecord("proxy", logging.INFO, "", 0, "x" * 9000, (), None))
    assert os.read(read, 9000) == b"x" * (AT_ONCE - len(CUT)) + CUT


WRITER = """
import sys
from proxy.telemetry import Sink
sink = Sink(None, lambda *_: None)
for number in range(200):
    sink.write(f"{sys.argv[1]} {number} " + sys.argv[1] * (number * 97 % 9000) + "\\n")
    if number % 7 == 0:
        sink.flush()
sink.close(30)
"""


def test_lines_of_several_processes_are_not_mixed_however_long(ends: tuple[int, int]) -> None:
    read, write = ends
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name], stdout=write) for name in names]
    os.close(write)
    data = b""
    while piece := os.read(read, 1 << 16):
        data += piece
    assert [each.wait() for each in writers] == [0] * 3
    expected = [f"{name} {n} " + name * (n * 97 % 9000) for name in names for n in range(200)]
    assert Counter(data.decode().splitlines()) == Counter(expected)

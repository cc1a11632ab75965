"""Datagrams sent together arrive as they were."""

from __future__ import annotations

import errno
import socket
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.downstream.segments import MOST, Datagram, Segments, run
from tests.patience import PATIENCE


@pytest.mark.parametrize("together", [True, False])
def test_they_arrive_as_they_were(together: bool) -> None:
    sizes = [1350] * 3 + [700] + [1350] * 2 + [40, 40, 1200] + [1000] * 70
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        there.bind(("127.0.0.1", 0))
        there.settimeout(PATIENCE)
        segments = Segments()
        segments.together = together
        sent: list[Datagram] = [(bytes((n,)) * size, there.getsockname()) for n, size in enumerate(sizes)]
        segments.send(here, sent)
        assert [there.recv(2000) for _ in sent] == [datagram for datagram, _ in sent]
        assert segments.together == together, "it works here"


class Refusing:
    """A socket whose network card cannot cut datagrams apart."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendmsg(self, *_: Any) -> int:
        raise OSError(errno.EIO, "no")

    def sendto(self, datagram: bytes, peer: Any) -> int:
        self.sent.append(datagram)
        return len(datagram)


def test_where_it_does_not_work_they_go_one_by_one() -> None:
    via, segments = Refusing(), Segments()
    sent: list[Datagram] = [(b"a" * 100, "peer")] * 5
    segments.send(cast(socket.socket, via), sent)
    assert via.sent == [datagram for datagram, _ in sent]
    assert not segments.together


@given(st.lists(st.tuples(st.sampled_from((b"", b"a", b"bb", b"cc", b"x" * 1350)), st.sampled_from((1, 2)))))
def test_what_goes_together(datagrams: list[Datagram]) -> None:
    at = 0
    while at < len(datagrams):
        end = run(datagrams, at)
        together = datagrams[at:end]
        assert 1 <= len(together) <= MOST
        assert len({peer for _, peer in together}) == 1
        assert {len(each) for each, _ in together[:-1]} <= {len(together[0][0])}
        assert len(together[-1][0]) <= len(together[0][0])
        at = end

"""Datagrams in fewer calls: the kernel takes many of one size at once and cuts them apart (UDP_SEGMENT, udp(7))."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

Datagram = tuple[bytes, Any]
"""And the address it is for."""

MOST = 60
"""Datagrams of a call; the kernel takes 64, and no more bytes than there may be in one packet."""

_SEGMENT = 103
"""UDP_SEGMENT"""

_NOT_HERE = frozenset((errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE))

_LARGEST = 65_000


class Segments:
    """Sends datagrams, together where the system can do that. Those that cannot be sent are lost, as they may be
    anywhere."""

    def __init__(self) -> None:
        self.together = sys.platform == "linux"

    def send(self, via: socket.socket, datagrams: Sequence[Datagram]) -> None:
        at = 0
        while at < len(datagrams):
            end = run(datagrams, at) if self.together else at + 1
            if end - at == 1:
                _one_by_one(via, datagrams[at:end])
            else:
                self._together(via, datagrams[at:end])
            at = end

    def _together(self, via: socket.socket, datagrams: Sequence[Datagram]) -> None:
        size = len(datagrams[0][0]).to_bytes(2, sys.byteorder)
        try:
            pieces = [datagram for datagram, _ in datagrams]
            via.sendmsg(pieces, [(socket.IPPROTO_UDP, _SEGMENT, size)], 0, datagrams[0][1])
        except OSError as error:
            if error.errno in _NOT_HERE:
                logger.info("datagrams are sent one by one from now on: %s", error)
                self.together = False
                _one_by_one(via, datagrams)


def run(datagrams: Sequence[Datagram], at: int) -> int:
    """Where those end that can go with the one there: to the same address, and of its size, but for the last, which
    may be smaller."""
    first, peer = datagrams[at]
    size, end = len(first), at + 1
    most = min(len(datagrams), at + min(MOST, _LARGEST // max(size, 1)))
    while end < most and datagrams[end][1] == peer and len(datagrams[end][0]) <= size:
        end += 1
        if len(datagrams[end - 1][0]) < size:
            break
    return end


def _one_by_one(via: socket.socket, datagrams: Iterable[Datagram]) -> None:
    for datagram, peer in datagrams:
        with suppress(OSError):
            via.sendto(datagram, peer)

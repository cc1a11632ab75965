"""Sockets of UDP, and which of them a packet goes to."""

from __future__ import annotations

import socket
from array import array
from struct import Struct
from typing import Any

BUFFER = 2 * 1024 * 1024
"""Bytes of packets that may wait in a socket; the system may allow fewer (net.core.rmem_max)."""

_ATTACH = 51
"""SO_ATTACH_REUSEPORT_CBPF, socket(7)."""

_INSTRUCTION = Struct("HBBI")
_PROGRAM = Struct("HP")

_BY_WORKER = (
    (0x30, 0, 0, 0),  # the first byte, of whose bits
    (0x45, 0, 2, 0x80),  # the highest says that the header is a long one:
    (0x28, 0, 0, 6),  # then the number is here (RFC 9000 §17.2),
    (0x16, 0, 0, 0),
    (0x28, 0, 0, 1),  # and else here (§17.3)
    (0x16, 0, 0, 0),
)
"""A program of classic BPF over the payload: code, jumps if true and if not, operand."""


def bind_datagrams(address: tuple[Any, ...], family: int) -> socket.socket:
    """A socket of UDP there, one of any number that the kernel deals packets out to. OSError when it cannot be had."""
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def deal_by_worker(bound: socket.socket) -> None:
    """Of the sockets that are bound to the same address, have the kernel choose the one that a packet of QUIC is for:
    the connection IDs that we make begin with its number (codec/quic), in the order in which they were bound. Those
    that a client has made up are above any number; the kernel then goes by the addresses of the packet. So a client
    whose address changes stays with its worker."""
    code = array("B", b"".join(_INSTRUCTION.pack(*each) for each in _BY_WORKER))
    bound.setsockopt(socket.SOL_SOCKET, _ATTACH, _PROGRAM.pack(len(_BY_WORKER), code.buffer_info()[0]))

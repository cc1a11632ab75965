"""The PROXY protocol, versions 1 and 2: who connected to the load balancer in front of us.

As its specification has it (proxy-protocol.txt of HAProxy, §2.1 and §2.2); strict, as what it says is trusted.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from proxy import errors
from proxy.errors import ProxyError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_V1 = 107
"""Bytes of the longest line of version 1, its end included."""
MAX_V2 = 4096
"""Bytes that may follow the first 16 of version 2: addresses, and what is skipped."""

Address = tuple[str, int]

_V1 = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_IPV4, _IPV6 = struct.Struct("!4s4sHH"), struct.Struct("!16s16sHH")


class Header(NamedTuple):
    """size: bytes of it. source and destination: of the connection to the load balancer; None where the one that we
    have is meant: a health check of the balancer's own, or a protocol that it cannot say."""

    size: int
    source: Address | None = None
    destination: Address | None = None


def parse(data: bytes) -> Header | None:
    """The header that a connection begins with; None when more of it has to come. Raises ProxyError
    (http_request_error) when there is none, or not a right one."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _version_2(data) if len(data) >= 16 else None
    if data.startswith(b"PROXY "[: len(data)]):
        return _version_1(data)
    raise _wrong("the connection does not begin with it")


def _version_1(data: bytes) -> Header | None:
    line, end, _ = data[:MAX_V1].partition(b"\r\n")
    if not end:
        if len(data) >= MAX_V1 or b"\n" in line:
            raise _wrong("the line does not end")
        return None
    size = len(line) + 2
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return Header(size)
    match = _V1.fullmatch(line)
    if match is None:
        raise _wrong("the line is malformed")
    kind, source, destination, source_port, destination_port = (each.decode() for each in match.groups())
    parsed = IPv4Address if kind == "TCP4" else IPv6Address
    try:
        found = [(str(parsed(source)), int(source_port)), (str(parsed(destination)), int(destination_port))]
    except ValueError:
        raise _wrong(f"an address is none of {kind}") from None
    if any(port > 65535 for _, port in found):
        raise _wrong("a port is out of range")
    return Header(size, *found)


def _version_2(data: bytes) -> Header | None:
    command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21):
        raise _wrong("the version or the command is unknown")
    if length > MAX_V2:
        raise _wrong(f"it is longer than {MAX_V2} bytes")
    size = 16 + length
    if len(data) < size:
        return None
    rest = data[16:size]
    if command == 0x20 or family == 0:  # LOCAL, or of no kind: what follows is to be skipped
        return Header(size)
    if family == 0x11 and length >= _IPV4.size:
        source, destination, *ports = _IPV4.unpack_from(rest)
        addresses = [str(IPv4Address(source)), str(IPv4Address(destination))]
        _check_vectors(rest[_IPV4.size :])
    elif family == 0x21 and length >= _IPV6.size:
        source, destination, *ports = _IPV6.unpack_from(rest)
        addresses = [str(IPv6Address(source)), str(IPv6Address(destination))]
        _check_vectors(rest[_IPV6.size :])
    elif family == 0x31 and length >= 216:  # a Unix socket: nobody with an address
        _check_vectors(rest[216:])
        return Header(size)
    else:
        raise _wrong("its addresses are of no kind that connections have, or cut off")
    return Header(size, (addresses[0], ports[0]), (addresses[1], ports[1]))


def _check_vectors(rest: bytes) -> None:
    """Type, length, value (§2.2.3): skipped, if they are whole."""
    while rest:
        end = 3 + int.from_bytes(rest[1:3], "big")
        if len(rest) < end:
            raise _wrong("what follows the addresses is cut off")
        rest = rest[end:]


def _wrong(why: str) -> ProxyError:
    return ProxyError(errors.HTTP_REQUEST_ERROR, f"PROXY protocol: {why}")

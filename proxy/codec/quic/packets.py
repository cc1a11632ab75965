"""What is said to clients without a connection: Retry, Version Negotiation, stateless reset (RFC 9000 §8.1, §6, §10.3).

All of it follows from a secret and the packet that is answered, so nothing is kept for whoever is not known yet.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from aioquic._buffer import Buffer
from aioquic.quic.packet import (
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)

from proxy.codec.quic.identity import CID_LENGTH, RESET_TOKEN, Identity

INITIAL_SIZE = 1200
"""Bytes that a datagram with an Initial packet has at least, or is dropped (§14.1)."""

LIFETIME = 10
"""Seconds that a client has to come back with the token of a Retry."""

_SMALLEST_CID = 8
"""Bytes that a client makes up for the first packet (§7.2)."""

_SMALLEST_RESET = 5 + RESET_TOKEN
_LARGEST_RESET = 42
"""Bytes: as a short packet may be, so that nobody on the way can tell (§10.3)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An Initial packet, by which a connection begins. token: of a Retry, or b""."""

    version: int
    destination: bytes
    source: bytes
    token: bytes


def destination(datagram: bytes) -> bytes | None:
    """Whose packet it is: the connection ID it is sent to. None when it is none of QUIC's."""
    if len(datagram) < 1 + CID_LENGTH:
        return None
    if datagram[0] & 0x80:  # §17.2
        length = datagram[5]
        return datagram[6 : 6 + length] if length <= 20 and len(datagram) >= 6 + length else None
    return datagram[1 : 1 + CID_LENGTH] if datagram[0] & 0x40 else None


def is_long(datagram: bytes) -> bool:
    """Of a handshake, when neither side may know the other yet."""
    return datagram[0] & 0x80 != 0


def opening(datagram: bytes, identity: Identity) -> Opening | bytes | None:
    """What opens a connection; or what is to be answered because the version is not known to us; or None."""
    if len(datagram) < INITIAL_SIZE:
        return None
    try:
        header = pull_quic_header(Buffer(data=datagram), host_cid_length=CID_LENGTH)
    except ValueError:
        return None
    if header.version is None or header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
        return None
    known = identity.configuration.supported_versions
    if header.version not in known:
        return encode_quic_version_negotiation(header.destination_cid, header.source_cid, known)
    if header.packet_type != QuicPacketType.INITIAL or len(header.destination_cid) < _SMALLEST_CID:
        return None
    return Opening(header.version, header.destination_cid, header.source_cid, header.token)


def retry(asked: Opening, cid: bytes, address: str, now: float, identity: Identity) -> bytes:
    """Asks the client to come back with a token, to `cid`, which shows that the address is its own (§8.1.2)."""
    said = int(now + LIFETIME).to_bytes(8, "big") + asked.destination
    token = identity.seal(b"retry", cid + said + address.encode()) + said
    return encode_quic_retry(asked.version, cid, asked.source, asked.destination, token)


def original(asked: Opening, address: str, now: float, identity: Identity) -> bytes | None:
    """Where the client had sent its first packet, which is in the token of a Retry; None when there is no good one."""
    seal, said = asked.token[:RESET_TOKEN], asked.token[RESET_TOKEN:]
    expected = identity.seal(b"retry", asked.destination + said + address.encode())
    if not hmac.compare_digest(seal, expected) or int.from_bytes(said[:8], "big") < now:
        return None
    return said[8:]


def stateless_reset(datagram: bytes, identity: Identity) -> bytes | None:
    """Tells that the connection of this packet is gone. None where one could go on answering the other: what is
    answered is always longer (§10.3.3)."""
    size = min(len(datagram) - 1, _LARGEST_RESET)
    if size < _SMALLEST_RESET:
        return None
    noise = identity.seal(b"noise", datagram) * 3
    token = identity.reset_token(datagram[1 : 1 + CID_LENGTH])
    return bytes((0x40 | noise[0] & 0x3F,)) + noise[1 : size - RESET_TOKEN] + token

"""Upgrade (RFC 9110 §7.8): what may become a tunnel, and whether an origin agreed to what was asked for.

Strict on both sides, as a proxy that believes in a tunnel where the origin still speaks HTTP passes requests on that
nobody has looked at (h2c smuggling, fake WebSocket handshakes).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from proxy.http.fields import Fields, Line
from proxy.http.hop_by_hop import options

_PROTOCOL = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")

_NEVER = frozenset((b"h2", b"h2c", b"h3", b"http", b"tls"))
"""HTTP in another dress: what went through such a tunnel would be requests past every stage."""

_WEBSOCKET = b"websocket"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


class Offer(NamedTuple):
    """What a client would like to speak instead of HTTP. key: its `sec-websocket-key`, for websocket."""

    protocol: bytes
    key: bytes | None


def offered(method: str, special: list[Line], fields: Fields) -> Offer | None:
    """What a request of HTTP/1.1 without a body may be switched to; None: it is an ordinary request. Only GET is, as of
    anything else caches would have to know what it did.

    special: its `connection` and `upgrade` lines, and others. One protocol, named by one `upgrade` line that
    `connection` vouches for; for websocket, a handshake as RFC 6455 §4.1 has it.
    """
    protocols = [value for name, value in special if name == b"upgrade"]
    if len(protocols) != 1 or b"upgrade" not in options(special):
        return None
    protocol = protocols[0]
    if method != "GET" or _PROTOCOL.fullmatch(protocol) is None or protocol.lower().partition(b"/")[0] in _NEVER:
        return None
    if protocol.lower() != _WEBSOCKET:
        return Offer(protocol, None)
    key = fields.get(b"sec-websocket-key")
    good = fields.get(b"sec-websocket-version") == b"13" and _KEY.fullmatch(key or b"")
    return Offer(protocol, key) if good else None


def mistake(offer: Offer | None, lines: Sequence[Line], hop: list[Line]) -> str | None:
    """What is wrong with a 101, as an answer to this offer; None: from here on both speak the other protocol.

    hop: its `connection` and `upgrade` lines, and others. lines: the rest.
    """
    if offer is None:
        return "which nobody asked for"
    protocols = [value.strip(b" \t").lower() for name, value in hop if name == b"upgrade"]
    if protocols != [offer.protocol.lower()] or b"upgrade" not in options(hop):
        return "to another protocol than was asked for"
    accepted = [value for name, value in lines if name == b"sec-websocket-accept"]
    if offer.key is not None and accepted != [accept(offer.key)]:
        return "with a Sec-WebSocket-Accept that does not go with the key"
    return None


def accept(key: bytes) -> bytes:
    """The `sec-websocket-accept` to a `sec-websocket-key` (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())

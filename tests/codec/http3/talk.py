"""A client and our server of HTTP/3 without a network: frames in, events out. The QUIC between them is real."""

from __future__ import annotations

import ssl
from functools import cache

import trustme
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from proxy.codec.events import Event
from proxy.codec.http3.server import Http3Server
from proxy.codec.limits import Limits
from proxy.codec.quic.connection import Quic
from proxy.codec.quic.identity import Credential, Identity

HERE, THERE = ("192.0.2.1", 443), ("192.0.2.2", 5000)

Line = tuple[bytes, bytes]


@cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def credential(*names: str) -> Credential:
    made = authority().issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    return Credential.of(names, made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes())


@cache
def identity() -> Identity:
    named = [credential(name) for name in ("localhost", "shop.example", "*.shop.example")]
    return Identity(named, b"secret", 30.0)


def integer(value: int) -> bytes:
    for size, prefix in ((1, 0x00), (2, 0x40), (4, 0x80), (8, 0xC0)):
        if value < 1 << (8 * size - 2):
            coded = bytearray(value.to_bytes(size, "big"))
            coded[0] |= prefix
            return bytes(coded)
    raise AssertionError


def frame(kind: int, payload: bytes = b"") -> bytes:
    return integer(kind) + integer(len(payload)) + payload


def section(*lines: Line) -> bytes:
    """Literals only (RFC 9204 §4.5.6), so that nothing is what our encoder would make."""
    return b"\0\0" + b"".join(_prefixed(0x20, 7, name) + _prefixed(0x00, 127, value) for name, value in lines)


def _prefixed(kind: int, mask: int, text: bytes) -> bytes:
    if len(text) < mask:
        return bytes((kind | len(text),)) + text
    rest, coded = len(text) - mask, bytearray((kind | mask,))
    while rest >= 128:
        coded.append(rest & 127 | 128)
        rest >>= 7
    return bytes(coded) + bytes((rest,)) + text


def headers(*lines: Line) -> bytes:
    return frame(1, section(*lines))


GET: tuple[Line, ...] = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/"))
POST: tuple[Line, ...] = ((b":method", b"POST"), *GET[1:])

SETTINGS = b"\0" + frame(4)
"""How a control stream begins."""


class Talk:
    """closed: the code that the connection ended with. resets, stops: codes by stream. said: bytes by stream."""

    def __init__(self, *, name: str = "localhost", limits: Limits | None = None, greet: bool = True) -> None:
        trusted = authority().cert_pem.bytes()
        asked = QuicConfiguration(
            alpn_protocols=["h3"], cadata=trusted, server_name=name, verify_mode=ssl.CERT_REQUIRED
        )
        self.tickets: list[object] = []
        self.client = QuicConnection(configuration=asked, session_ticket_handler=self.tickets.append)
        self.now = 1.0
        self.routes: set[bytes] = set()
        self.closed: int | None = None
        self.resets: dict[int, int] = {}
        self.stops: dict[int, int] = {}
        self.said: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.ready = False
        self.events: list[Event] = []
        self.client.connect(HERE, self.now)
        destination = self.client.original_destination_connection_id
        self.quic = Quic(identity(), 3, destination, None)
        self.server = Http3Server(self.quic, limits or Limits(), self._route)
        self.turn()
        if greet:
            self.write(SETTINGS, number=2)

    def _route(self, cid: bytes, there: bool) -> None:
        (self.routes.add if there else self.routes.discard)(cid)

    def turn(self) -> list[Event]:
        """Until neither side has anything to say. What the server has made of it."""
        found: list[Event] = []
        for _ in range(200):
            there = self.client.datagrams_to_send(self.now)
            for datagram, _ in there:
                self.quic.receive_datagram(datagram, THERE, self.now)
            found += self.server.events(self.now)
            self.server.pump()
            back = self.quic.datagrams_to_send(self.now)
            for datagram, _ in back:
                self.client.receive_datagram(datagram, HERE, self.now)
            self._hear()
            self.now += 0.001
            for side in (self.client, self.quic):
                at = side.get_timer()
                if at is not None and at <= self.now:
                    side.handle_timer(self.now)
            if not there and not back:
                break
        self.events += found
        return found

    def _hear(self) -> None:
        while (event := self.client.next_event()) is not None:
            match event:
                case StreamDataReceived(data=data, end_stream=end, stream_id=number):
                    self.said[number] = self.said.get(number, bytearray())
                    self.said[number] += data
                    if end:
                        self.ended.add(number)
                case StreamReset(error_code=code, stream_id=number):
                    self.resets[number] = code
                case StopSendingReceived(error_code=code, stream_id=number):
                    self.stops[number] = code
                case ConnectionTerminated(error_code=code):
                    self.closed = code
                case HandshakeCompleted():
                    self.ready = True
        if self.client._close_event is not None and self.closed is None:
            self.closed = self.client._close_event.error_code

    def write(self, data: bytes, *, end: bool = False, number: int | None = None) -> list[Event]:
        """On a new stream for requests, unless it is given."""
        if number is None:
            number = self.client.get_next_available_stream_id()
        self.client.send_stream_data(number, data, end)
        return self.turn()

    def request(self, *frames: bytes, end: bool = True) -> list[Event]:
        return self.write(b"".join(frames), end=end)

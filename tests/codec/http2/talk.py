"""A conversation with the server's side of the codec."""

from __future__ import annotations

from proxy.codec.events import Event
from proxy.codec.http2.server import Http2Server
from proxy.codec.limits import Limits
from tests.codec.http2.wire import (
    GET,
    HELLO,
    Line,
    Reader,
    headers,
)


class Talk:
    """A client's end of the codec. Time passes only as it is told."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.codec = Http2Server(limits or Limits())
        self.now = 1000.0
        self._reader = Reader()
        self.receive(HELLO)
        self.said()

    def receive(self, wire: bytes) -> list[Event]:
        return self.codec.receive(wire, self.now)

    def said(self) -> list[str]:
        self.codec.pump(1 << 30)
        return self._reader.read(self.codec.take())

    def answer(self, stream: int) -> None:
        self.codec.send_fields(self.codec.streams[stream], [(b":status", b"200")], end=True)


def request(lines: list[Line], *, end: bool = True, limits: Limits | None = None) -> tuple[list[Event], list[str]]:
    talk = Talk(limits)
    return talk.receive(headers(1, lines, end=end)), talk.said()


def with_field(name: str | bytes, value: str | bytes) -> list[Line]:
    return [*GET, (name, value)]


def with_pseudo(**values: str | bytes | None) -> list[Line]:
    lines = [(name, values.get(str(name)[1:], value)) for name, value in GET]
    return [(name, value) for name, value in lines if value is not None]

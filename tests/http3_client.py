"""A client of HTTP/3 by aioquic, for tests: its HTTP, or frames written by hand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pylsqpack
from aioquic._buffer import Buffer
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.tls import SessionTicket, SessionTicketHandler

from tests.patience import PATIENCE

Line = tuple[bytes, bytes]


def head(path: str, method: str = "GET", *more: Line) -> list[Line]:
    pseudo = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", b"a"), (b":path", path.encode())]
    return [*pseudo, *more]


@dataclass
class Answer:
    """What came on one stream. sections: of interim responses, the final one, the trailers. ended: None while it goes
    on, "end", or how it was cut off."""

    sections: list[list[Line]] = field(default_factory=list)
    body: bytes = b""
    ended: str | None = None
    stopped: int | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str:
        return dict(self.final)[b":status"].decode()

    @property
    def final(self) -> list[Line]:
        return next(each for each in self.sections if not dict(each).get(b":status", b"1").startswith(b"1"))


class Client(QuicConnectionProtocol):
    """raw: bytes by stream, where no HTTP is made of them."""

    def __init__(self, quic: QuicConnection, stream_handler: object = None) -> None:
        super().__init__(quic)
        self.http: H3Connection | None = None
        self.answers: dict[int, Answer] = {}
        self.raw: dict[int, bytes] = {}
        self.terminated: asyncio.Future[ConnectionTerminated] = asyncio.get_running_loop().create_future()

    @property
    def quic(self) -> QuicConnection:
        return self._quic

    def speak(self) -> None:
        """HTTP/3, as aioquic does."""
        self.http = H3Connection(self._quic)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            if not self.terminated.done():
                self.terminated.set_result(event)
            for answer in self.answers.values():
                answer.ended = answer.ended or "lost"
                answer.changed.set()
        elif isinstance(event, StreamDataReceived):
            self.raw[event.stream_id] = self.raw.get(event.stream_id, b"") + event.data
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            answer = self.answers[event.stream_id]
            answer.ended = f"reset {event.error_code:#x}"
            answer.changed.set()
        elif isinstance(event, StopSendingReceived) and event.stream_id in self.answers:
            self.answers[event.stream_id].stopped = event.error_code
            self.answers[event.stream_id].changed.set()
        elif self.http is not None:
            for each in self.http.handle_event(event):
                if not isinstance(each, HeadersReceived | DataReceived):
                    continue
                answer = self.answers[each.stream_id]
                if isinstance(each, HeadersReceived):
                    answer.sections.append(each.headers)
                    answer.ended = "end" if each.stream_ended else answer.ended
                else:
                    answer.body += each.data
                    answer.ended = "end" if each.stream_ended else answer.ended
                answer.changed.set()

    def begin(self, lines: Sequence[Line], *, end: bool = True) -> int:
        """Sends a head. Returns the stream."""
        assert self.http is not None
        number = self._quic.get_next_available_stream_id()
        self.answers[number] = Answer()
        self.http.send_headers(number, list(lines), end)
        self.transmit()
        return number

    def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        assert self.http is not None
        self.http.send_data(number, data, end)
        self.transmit()

    def write(self, data: bytes, *, end: bool = False, number: int | None = None) -> int:
        """Bytes by hand, on a new stream unless it is given."""
        number = self._quic.get_next_available_stream_id() if number is None else number
        self.answers.setdefault(number, Answer())
        self._quic.send_stream_data(number, data, end)
        self.transmit()
        return number

    async def until(self, number: int, *, sections: int = 0, size: int = 0) -> Answer:
        """Its end, or so much of it."""
        answer = self.answers[number]
        async with asyncio.timeout(PATIENCE):
            while answer.ended is None:
                if (sections or size) and len(answer.sections) >= sections and len(answer.body) >= size:
                    break
                answer.changed.clear()
                await answer.changed.wait()
        return answer

    async def statuses(self, number: int, least: int) -> list[bytes]:
        """Of the sections on a stream where no HTTP is made of its bytes: aioquic knows no interim responses."""
        found: list[bytes] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < least:
                await asyncio.sleep(0.005)
                found = [dict(lines)[b":status"] for lines in _sections(self.raw.get(number, b""))]
        return found

    async def ask(self, lines: Sequence[Line], body: bytes = b"") -> Answer:
        number = self.begin(lines, end=not body)
        if body:
            self.send(number, body, end=True)
        return await self.until(number)


def _sections(data: bytes) -> Iterator[list[Line]]:
    frames = Buffer(data=data)
    while not frames.eof():
        kind, length = frames.pull_uint_var(), frames.pull_uint_var()
        payload = frames.pull_bytes(length)
        if kind == 1:
            yield pylsqpack.Decoder(0, 0).feed_header(0, payload)[1]


def configuration(ca: bytes, name: str = "localhost", window: int = 1 << 20) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=["h3"],
        cadata=ca,
        server_name=name,
        verify_mode=ssl.CERT_REQUIRED,
        max_data=window,
        max_stream_data=window,
    )


@asynccontextmanager
async def connected(
    port: int,
    ca: bytes,
    *,
    name: str = "localhost",
    window: int = 1 << 20,
    speak: bool = True,
    session: SessionTicket | None = None,
    on_session: SessionTicketHandler | None = None,
) -> AsyncIterator[Client]:
    """session: to be resumed; what comes for the next time goes to on_session."""
    configured = configuration(ca, name, window)
    configured.session_ticket = session
    made = connect(
        "127.0.0.1", port, configuration=configured, create_protocol=Client, session_ticket_handler=on_session
    )
    async with made as client:
        assert isinstance(client, Client)
        if speak:
            client.speak()
        yield client

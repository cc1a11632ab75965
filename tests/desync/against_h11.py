"""Our HTTP/1.1 beside h11: the same bytes, and what each makes of them.

What we accept and h11 refuses needs a reason (ACCEPTED_REQUESTS, ACCEPTED_RESPONSES). What both accept must be the same
messages, to the byte. What h11 accepts and we refuse is not looked at: being stricter is what we are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h11

from proxy.codec.events import Data, End, Interim, RequestHead, ResponseHead
from proxy.codec.http1_client import Http1Client
from proxy.codec.http1_server import Http1Server
from proxy.codec.limits import Limits
from proxy.errors import ProxyError

LIMITS = Limits(request_line=8192, field_section=8192, field_lines=100, body=None)


@dataclass
class Message:
    """start: method, or status. target: of a request. whole: it has ended."""

    start: str | int
    target: str = ""
    body: bytes = b""
    whole: bool = False


@dataclass
class Outcome:
    """refused: why no more was read."""

    messages: list[Message] = field(default_factory=list)
    refused: str = ""


def our_requests(data: bytes) -> Outcome:
    outcome = Outcome()
    server = Http1Server(LIMITS, "default")
    server.feed(data)
    while events := server.events():
        for event in events:
            match event:
                case RequestHead():
                    target = event.path if event.query is None else f"{event.path}?{event.query}"
                    outcome.messages.append(Message(event.method, target))
                    if not event.keep_alive:
                        outcome.refused = "close"  # what comes behind it is not looked at
                case Data():
                    outcome.messages[-1].body += event.data
                case End():
                    outcome.messages[-1].whole = True
                    if outcome.refused:
                        return outcome
                case ProxyError():
                    outcome.refused = str(event)
    return outcome


def h11_requests(data: bytes) -> Outcome:
    outcome = Outcome()
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            outcome.refused = str(error)
            return outcome
        match event:
            case h11.Request():
                outcome.messages.append(Message(event.method.decode(), event.target.decode("latin-1")))
            case h11.Data():
                outcome.messages[-1].body += bytes(event.data)
            case h11.EndOfMessage():
                outcome.messages[-1].whole = True
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    outcome.refused = "close"
                    return outcome
                connection.start_next_cycle()
            case _:
                return outcome


def our_responses(data: bytes, method: str) -> Outcome:
    """Of one exchange, on a connection that ends behind the data: interim ones, and the final one."""
    outcome = Outcome()
    client = Http1Client()
    client.expect(method)
    for event in [*(client.receive(data) if data else []), *client.receive_eof()]:
        match event:
            case ResponseHead():
                outcome.messages.append(Message(event.status))
            case Interim():
                outcome.messages.append(Message(event.status, whole=True))
            case Data():
                outcome.messages[-1].body += event.data
            case End():
                outcome.messages[-1].whole = True
                return outcome
            case ProxyError():
                outcome.refused = str(event)
                return outcome
    return outcome


def h11_responses(data: bytes, method: str) -> Outcome:
    outcome = Outcome()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    ended = False
    while True:
        try:
            event: Any = connection.next_event()
        except h11.RemoteProtocolError as error:
            outcome.refused = str(error)
            return outcome
        match event:
            case h11.InformationalResponse():
                outcome.messages.append(Message(event.status_code, whole=True))
            case h11.Response():
                outcome.messages.append(Message(event.status_code))
            case h11.Data():
                outcome.messages[-1].body += bytes(event.data)
            case h11.EndOfMessage():
                outcome.messages[-1].whole = True
                return outcome
            case h11.NEED_DATA if not ended:
                ended = True
                connection.receive_data(b"")
            case _:
                return outcome


@dataclass(frozen=True)
class Accepted:
    """What we take and h11 does not. says: what h11 says of it, a pattern. only: of such messages of ours."""

    says: str
    reason: str
    only: Callable[[Message, Outcome], bool] = lambda *_: True

    def __call__(self, message: Message, theirs: Outcome) -> bool:
        return re.search(self.says, theirs.refused) is not None and self.only(message, theirs)


def _no_body(message: Message, _: Outcome) -> bool:
    return not message.body


def _only_trailers(message: Message, theirs: Outcome) -> bool:
    """h11 has read all that is before them."""
    return bool(message.body) and theirs.messages[-1].body == message.body


ACCEPTED_REQUESTS: tuple[Accepted, ...] = (
    Accepted(
        "^no request line received$",
        "empty lines before a request are ignored, as RFC 9112 §2.2 asks: some clients end a body with one too many",
    ),
    Accepted("^close$", "HTTP/1.0 with Connection: keep-alive goes on (RFC 9112 §9.3); h11 does not know of it"),
)
ACCEPTED_RESPONSES: tuple[Accepted, ...] = (
    Accepted(
        r"^illegal status line: bytearray\(b[\"']HTTP/1\.[01] [1-5][0-9]{2} ",
        "reason phrases are read past, whatever bytes they have, and never passed on",
    ),
    Accepted(
        r"^no response line received$|^illegal status line: bytearray\(b[\"']\\r",
        "empty lines between an interim response and the final one: it is the same exchange, nothing else can begin",
    ),
    Accepted(
        "^Only Transfer-Encoding: chunked is supported$|^multiple Transfer-Encoding headers$",
        "a response that has no body whatever it says (to HEAD, 1xx, 204, 304) is framed by none of its fields",
        _no_body,
    ),
    Accepted(
        "^Only Transfer-Encoding: chunked is supported$|^multiple (Transfer-Encoding|Content-Length) headers$"
        "|^bad Content-Length|^conflicting Content-Length",
        "framing fields in trailers say nothing, and are dropped (RFC 9110 §6.5.1)",
        _only_trailers,
    ),
)


def difference(
    ours: Outcome, theirs: Outcome, accepted: tuple[Accepted, ...], same: Callable[[Message, Message], bool]
) -> str | None:
    """What is wrong; None: nothing."""
    for number, message in enumerate(ours.messages):
        if number >= len(theirs.messages):
            if any(each(message, theirs) for each in accepted):
                return None
            return f"we read {message}, and h11 says {theirs.refused or 'nothing'}"
        other = theirs.messages[number]
        if not same(message, other):
            return f"we read {message}, and h11 {other}"
        if message.whole and not other.whole:
            if any(each(message, theirs) for each in accepted):
                return None
            return f"to us {message} is whole, and h11 says {theirs.refused or 'more is to come'}"
        if not message.whole:
            return None  # refused, or more is to come; h11 may go on
    return None


def request_difference(data: bytes) -> str | None:
    return difference(our_requests(data), h11_requests(data), ACCEPTED_REQUESTS, _same_request)


def response_difference(data: bytes, method: str = "GET") -> str | None:
    return difference(our_responses(data, method), h11_responses(data, method), ACCEPTED_RESPONSES, _same_response)


def _same_request(ours: Message, theirs: Message) -> bool:
    if ours.start != theirs.start or not _begins(ours, theirs):
        return False
    absolute = re.match(r"https?://[^/?]*", theirs.target, re.IGNORECASE)
    target = theirs.target[absolute.end() :] if absolute else theirs.target
    return ours.target == (target if target.startswith(("/", "*")) else "/" + target)


def _same_response(ours: Message, theirs: Message) -> bool:
    return ours.start == theirs.start and _begins(ours, theirs)


def _begins(ours: Message, theirs: Message) -> bool:
    """Bodies are the same, or one of them is not at its end."""
    if ours.whole and theirs.whole:
        return ours.body == theirs.body
    return ours.body.startswith(theirs.body) or theirs.body.startswith(ours.body)

"""What a codec says: the same events for every version of HTTP.

A message is its head, any number of Data, then End: always, also when it has no body. An Interim may come before a
ResponseHead. A ProxyError may come instead of any of them: it is the last event there is of its stream (of the
connection, in HTTP/1.1), and its `status` is what a server answers. It is an event, not a raised exception, because
the messages in front of it in the same read are whole and are to be handled first.

`stream` tells the messages of one connection apart; in HTTP/1.1 it is always 0. In HTTP/2 and HTTP/3 a message can also
come to nothing by itself, with a Reset, and a ProxyError is about the whole connection.

The events of every exchange have their `__init__` written out: one that `dataclass` makes is not compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.errors import ProxyError
from proxy.http.fields import Fields
from proxy.http.upgrade import Offer


@dataclass(slots=True, init=False)
class RequestHead:
    """The head of a request, checked: what may not be passed on was refused before.

    method, authority (host[:port], lower case), path (begins with "/", or is "*"), query (without "?", None when
    there is none): ASCII, as on the wire. The scheme is that of the connection, whatever an absolute target claims.
    fields: without `host`, hop-by-hop fields and `transfer-encoding`; `content-length` stays.
    length: of the body in bytes, None when only its End tells. version: as in `Via`, "1.0", "1.1", "2" or "3".
    keep_alive: the client allows another request on this connection after the answer.
    upgrade: what it would rather speak, where that may be; there is no body then.
    """

    method: str
    authority: str
    path: str
    query: str | None
    fields: Fields
    length: int | None
    version: str
    keep_alive: bool
    stream: int
    upgrade: Offer | None

    def __init__(
        self,
        method: str,
        authority: str,
        path: str,
        query: str | None,
        fields: Fields,
        length: int | None,
        version: str,
        keep_alive: bool,
        stream: int = 0,
        upgrade: Offer | None = None,
    ) -> None:
        self.method = method
        self.authority = authority
        self.path = path
        self.query = query
        self.fields = fields
        self.length = length
        self.version = version
        self.keep_alive = keep_alive
        self.stream = stream
        self.upgrade = upgrade


@dataclass(slots=True, init=False)
class ResponseHead:
    """The head of a final response, checked.

    fields: without hop-by-hop fields and `transfer-encoding`; `content-length` stays. length: of the body that
    follows in bytes (0 in an answer to HEAD, a 204, a 304), None when only its End tells. keep_alive: the connection
    can carry another request after the End.
    """

    status: int
    fields: Fields
    length: int | None
    version: str
    keep_alive: bool
    stream: int

    def __init__(
        self, status: int, fields: Fields, length: int | None, version: str, keep_alive: bool, stream: int = 0
    ) -> None:
        self.status = status
        self.fields = fields
        self.length = length
        self.version = version
        self.keep_alive = keep_alive
        self.stream = stream


class Interim(NamedTuple):
    """An interim (1xx) response; the final one is still to come."""

    status: int
    fields: Fields
    stream: int = 0


class Switched(NamedTuple):
    """A 101 as it was asked for, the last event of HTTP on the connection. data: what came behind it."""

    fields: Fields
    data: bytes
    stream: int = 0


@dataclass(slots=True, init=False)
class Data:
    """A piece of a body, not empty, without transfer coding."""

    data: bytes
    stream: int

    def __init__(self, data: bytes, stream: int = 0) -> None:
        self.data = data
        self.stream = stream


@dataclass(slots=True, init=False)
class End:
    """The message is whole. trailers: None when there were none."""

    trailers: Fields | None
    stream: int

    def __init__(self, trailers: Fields | None = None, stream: int = 0) -> None:
        self.trailers = trailers
        self.stream = stream


class Reset(NamedTuple):
    """The stream came to nothing, and this is the last event of it (HTTP/2 and HTTP/3 only).

    answerable: only a request did; its client can still be told, with `error.status`. unprocessed: the other side has
    done nothing for it, so it may be sent again whatever its method is (RFC 9113 §8.7).
    """

    error: ProxyError
    stream: int
    answerable: bool = False
    unprocessed: bool = False


class Preface(NamedTuple):
    """What a client of HTTP/2 sends first (RFC 9113 §3.4), instead of a request of HTTP/1.1: the last event there.

    data: all it has sent. otherwise: what it is to anybody who does not speak HTTP/2.
    """

    data: bytes
    otherwise: ProxyError


END: Final = End()
"""The End of nearly every HTTP/1.1 message, made once."""

Event = RequestHead | ResponseHead | Interim | Switched | Data | End | Reset | Preface | ProxyError

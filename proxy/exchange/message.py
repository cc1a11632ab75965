"""Exchange, Request and Response.

A Request is a value. A stage that changes it passes a changed `copy()` down, so a stage above still holds
the request as it left it: what a cache keys on, what a memo is replayed with, what `on-response` reads.
A Response likewise on its way up. Only the Exchange itself, which all stages of one exchange share, is mutable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from proxy.exchange.body import Body
from proxy.exchange.observation import Observers
from proxy.exchange.tunnel import Switch
from proxy.http.fields import Fields

if TYPE_CHECKING:
    from proxy.exchange.clock import StageClock
    from proxy.exchange.story import StageStory

NO_NOTES: Final[Mapping[str, str]] = MappingProxyType({})


class Exchange:
    """What all stages of one exchange share.

    id: the `x-request-id`. version: of HTTP, in which the client asked, as in `Via`: "1.0", "1.1", "2" or "3". client:
    the address of the peer, without port. started: seconds since the epoch.
    inform: passes an interim (1xx) response on to the client.
    cache_status: members for `Cache-Status`, innermost cache first (RFC 9211 §2: the one closest to the origin).
    failure: the RFC 9209 type and detail, when the answer is one we made because something failed.
    spent: microseconds by filter name, for the access log. route: what matched, for logs and metrics.
    clock: None, or what takes the time of each stage.
    trace: None, or a list that each stage adds its story to, outermost first (`story`).
    """

    __slots__ = (
        "cache_status", "client", "clock", "failure", "id", "inform", "route", "spent", "started", "trace", "version",
    )  # fmt: skip

    def __init__(
        self,
        id: str = "-",
        client: str = "127.0.0.1",
        started: float = 0.0,
        inform: Callable[[int, Fields], None] | None = None,
        version: str = "1.1",
    ) -> None:
        self.id = id
        self.client: str = client
        self.started = started
        self.inform = inform
        self.version = version
        self.cache_status: list[str] = []
        self.failure: tuple[str, str] | None = None
        self.spent: dict[str, int] = {}
        self.route = ""
        self.clock: StageClock | None = None
        self.trace: list[StageStory] | None = None

    def detached(self, started: float) -> Exchange:
        """For work in the background that no client waits for: same id, own outcome, no interim responses."""
        return Exchange(self.id, self.client, started, version=self.version)


class Request:
    """method, scheme ("http" or "https"), authority (host[:port], lower case), path (without the query, begins
    with "/", or is "*"), query (without "?", None when there is none): all ASCII, as on the wire.

    `fields` holds no `host` (that is `authority`), no hop-by-hop field and no `transfer-encoding`;
    `content-length` stays, for stages to see, and the codec frames by `body`.
    `observers`: the caches above, each of which keys on what is read below it (see `observation`).
    switch: what it asks to be upgraded to (RFC 9110 §7.8), for who forwards it; None: nothing.
    """

    __slots__ = (
        "authority", "body", "exchange", "fields", "method", "notes", "observers", "path", "query", "scheme",
        "switch",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        scheme: str,
        authority: str,
        path: str,
        query: str | None,
        fields: Fields,
        exchange: Exchange,
        body: Body = b"",
    ) -> None:
        self.method: str = method
        self.scheme: str = scheme
        self.authority: str = authority
        self.path: str = path
        self.query: str | None = query
        self.fields: Fields = fields
        self.body: Body = body
        self.exchange: Exchange = exchange
        self.notes: Mapping[str, str] = NO_NOTES
        self.observers: Observers = ()
        self.switch: Switch | None = None

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def copy(self, fields: Fields | None = None) -> Request:
        """A request of its own to change, with other fields if there are any; `body` and `exchange` are shared."""
        new = Request(
            self.method, self.scheme, self.authority, self.path, self.query,
            self.fields.copy() if fields is None else fields, self.exchange, self.body,
        )  # fmt: skip
        new.notes = self.notes
        new.observers = self.observers
        new.switch = self.switch
        return new

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.scheme}://{self.authority}{self.target}>"


class Response:
    """status (200 to 599; 101 where `Request.switch` has an origin), fields (no hop-by-hop field, no
    `transfer-encoding`), body, tags (surrogate keys).

    The body of an answer to HEAD, of a 204 and of a 304 is b"" whatever `content-length` says.
    """

    __slots__ = ("body", "fields", "status", "tags")

    def __init__(
        self,
        status: int,
        fields: Fields,
        body: Body = b"",
        tags: tuple[str, ...] = (),
    ) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.tags = tags

    def copy(self) -> Response:
        """A response of its own to change; the body is shared, so only one of the two may read it."""
        return Response(self.status, self.fields.copy(), self.body, self.tags)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

"""What all connections of a listener share."""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from proxy.codec.limits import Limits
from proxy.downstream.client_cert import ClientCert
from proxy.downstream.clock import Clock
from proxy.downstream.descriptors import Descriptors
from proxy.downstream.overload import Load
from proxy.downstream.refusals import Refusals
from proxy.downstream.timeouts import Timeouts
from proxy.exchange import Request, Response
from proxy.http.fields import Line

if TYPE_CHECKING:
    from proxy.codec.quic.identity import Identity

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIds:
    """For `x-request-id`: a random part for the listener, and a number."""

    __slots__ = ("_latest", "_prefix")

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._latest = 0

    def of(self, given: bytes | None) -> str:
        """The id the client gave, if it is fit to stand in logs and fields; else a new one."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        self._latest += 1
        return f"{self._prefix}-{self._latest}"


OnDone = Callable[[Request, Response, int, bool, float], None]
"""Is told of each exchange that is over. The response is one of status 499 when the client left before there was any.
What was refused before it was a request comes as one whose method, authority and path are "-".
Then: bytes of the response that were sent, head included; whether the client was sent all of it; seconds it took."""


class Member(Protocol):
    """A connection that is open, as its listener sees it."""

    @property
    def running(self) -> int:
        """Exchanges under way."""

    @property
    def idle_since(self) -> float | None:
        """When the last exchange ended, by the service's clock. None: one is under way, there has been none, or the end
        has come. A connection that is idle is given up by draining it."""

    def check(self, now: float) -> None:
        """Called about every second: end what has waited for too long."""

    def drain(self) -> None:
        """The exchange that runs, if any, is the last."""

    def retire(self) -> None:
        """The exchange that runs, or else the next one, is the last."""

    def abort(self) -> None: ...


class Company(Protocol):
    """The connections that are open, as each of them sees it."""

    def joins(self, connection: Member) -> bool:
        """Called once. Returns whether there is room for it."""

    def leaves(self, connection: Member) -> None: ...


PROTOCOLS = ("h2", "http/1.1")
"""By what ALPN calls them (RFC 7301 §6), the one we prefer first."""


@dataclass(slots=True)
class Service:
    """handler: answers a request. max_connections: more are answered 503, or by the end of the connection where that
    could be said only after a TLS handshake. protocols: those of PROTOCOLS that are spoken; in the clear, which one it
    is shows in what the client sends first. tls: what to shake hands with, for connections from now on. proxy_protocol:
    each connection begins with whose it is. identity: what to shake hands with over QUIC, the same. alternative: a line
    that each response has (Alt-Svc), unless it has another. max_exchanges: when more are under way, or the process has
    more to do than it can, requests are answered 503; None: never. descriptors: of the process, where they may run
    out."""

    handler: Callable[[Request], Coroutine[Any, Any, Response]]
    on_done: OnDone | None = None
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_connections: int = 10_000
    protocols: Sequence[str] = PROTOCOLS
    tls: ssl.SSLContext | None = None
    proxy_protocol: bool = False
    max_exchanges: int | None = None
    client_cert: ClientCert = ClientCert.PASSED
    identity: Identity | None = None
    alternative: Line | None = None
    refusals: Refusals = field(default_factory=Refusals)
    descriptors: Descriptors | None = None
    clock: Clock = field(default_factory=Clock)
    ids: RequestIds = field(default_factory=RequestIds)
    scheme: str = field(init=False)
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.max_exchanges)
        self.scheme = "http" if self.tls is None else "https"

"""The requests and responses of wasi:http/types 0.3, as resources, and what they are in the proxy."""

from __future__ import annotations

from dataclasses import replace

from proxy import errors
from proxy.exchange import Body, Request, Response
from proxy.exchange.observation import Source, observed, written
from proxy.wasi.http.fields import GuestFields, visible
from proxy.wasi.http.timeouts import NONE, Timeouts
from proxy.wasi.p3.http.bodies import Contents, Outgoing
from proxy.wasi.p3.streams import Outcome

Scheme = tuple[str, str | None]


class Options:
    """request-options."""

    def __init__(self, timeouts: Timeouts, *, mutable: bool = True) -> None:
        self.timeouts = timeouts
        self.mutable = mutable

    def copy(self, *, mutable: bool) -> Options:
        return Options(replace(self.timeouts), mutable=mutable)


class Message:
    """`transmitted` becomes known when it has been sent."""

    def __init__(self, headers: GuestFields | None, contents: Contents) -> None:
        """headers: those that a guest wrote; None for a message that came in, whose own are shown when they are asked
        for."""
        if headers is not None:
            headers.mutable = False
        self._headers = headers
        self.contents = contents
        self.transmitted = Outcome()

    @property
    def headers(self) -> GuestFields:
        if self._headers is None:
            self._headers = self._shown()
        return self._headers

    def _shown(self) -> GuestFields:
        raise NotImplementedError

    def _length(self) -> int | None:
        said = self.headers.fields.get(b"content-length")
        return int(said) if said is not None and said.isdigit() else None

    def outgoing(self, failure: errors.Failure, *, sent: bool = True) -> Body:
        """The body, for whoever sends the message on."""
        untouched = self.contents.untouched()
        if untouched is not None or self.contents.empty or not sent:
            if untouched is None:
                self.contents.close()
            self.transmitted.tell(("ok", None))
            return untouched if untouched is not None and sent else b""
        return Outgoing(self.contents, self._length(), failure, self.transmitted)

    def close(self) -> None:
        """A guest has dropped it, or it was lost."""
        self.contents.close()
        self.transmitted.tell(("ok", None))


class GuestRequest(Message):
    """`origin`: the request it is, when it came in; what is read of it, caches above are told."""

    def __init__(
        self, headers: GuestFields | None, contents: Contents, options: Options | None, origin: Request | None
    ) -> None:
        super().__init__(headers, contents)
        self.options = options
        self.origin = origin
        self.method = "GET" if origin is None else origin.method
        self.target: str | None = None if origin is None else origin.target
        self.scheme: Scheme | None = None if origin is None else (origin.scheme.upper(), None)
        self.authority: str | None = None if origin is None else origin.authority
        self.written: set[Source] = set()

    @property
    def timeouts(self) -> Timeouts:
        return NONE if self.options is None else self.options.timeouts

    @classmethod
    def arrived(cls, request: Request) -> GuestRequest:
        return cls(None, Contents.of(request.body), None, request)

    def _shown(self) -> GuestFields:
        assert self.origin is not None
        return GuestFields(visible(self.origin.fields), mutable=False, request=self.origin)

    def reads(self, *accessors: str) -> None:
        """A guest reads this of it."""
        for accessor in accessors:
            if self.origin is not None and (accessor, "") not in self.written:
                observed(self.origin, (accessor, ""))

    def request(self, incoming: Request) -> Request:
        """As a request that can be passed down or sent. `incoming`: that of the exchange."""
        if self.origin is None:
            return self._made(incoming)
        body = self.outgoing(errors.HTTP_REQUEST_ERROR)
        if not self.written and body is self.origin.body:
            return self.origin
        request = self.origin.copy()
        request.body = body
        request.method = self.method
        request.authority = self._authority(incoming)
        request.path, request.query = self._path()
        request.scheme = self._scheme(incoming)
        written(request, frozenset(self.written))
        return request

    def _made(self, incoming: Request) -> Request:
        """Everything in it is what its guest wrote, of what it had read."""
        path, query = self._path()
        request = Request(
            self.method,
            self._scheme(incoming),
            self._authority(incoming),
            path,
            query,
            self.headers.fields,
            incoming.exchange,
            self.outgoing(errors.HTTP_REQUEST_ERROR),
        )
        request.notes = incoming.notes
        return request

    def _path(self) -> tuple[str, str | None]:
        path, mark, query = (self.target or "/").partition("?")
        return path or "/", query if mark else None

    def _scheme(self, incoming: Request) -> str:
        if self.scheme is None:
            observed(incoming, ("scheme", ""))
            return incoming.scheme
        return (self.scheme[1] or self.scheme[0]).lower()

    def _authority(self, incoming: Request) -> str:
        if self.authority is not None:
            return self.authority
        observed(incoming, ("authority", ""))
        return incoming.authority


class GuestResponse(Message):
    """`origin`: the response it is, when it came from below."""

    def __init__(self, headers: GuestFields | None, contents: Contents, origin: Response | None = None) -> None:
        super().__init__(headers, contents)
        self.origin = origin
        self.status = 200 if origin is None else origin.status

    @classmethod
    def arrived(cls, response: Response) -> GuestResponse:
        return cls(None, Contents.of(response.body), response)

    def _shown(self) -> GuestFields:
        assert self.origin is not None
        return GuestFields(visible(self.origin.fields), mutable=False)

    def response(self, *, sent: bool) -> Response:
        """As a response that can be passed up. `sent`: whether it may have content (RFC 9110 §6.4.1)."""
        body = self.outgoing(errors.HTTP_RESPONSE_INCOMPLETE, sent=sent)
        tags = () if self.origin is None else self.origin.tags
        return Response(self.status, self.headers.fields, body, tags)

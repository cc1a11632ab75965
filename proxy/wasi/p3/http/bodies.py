"""Bodies of wasi:http/types 0.3: streams of bytes, and futures of what comes after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import FutureReader, HostFuture, HostStream, SharedFuture, Source
from proxy.errors import Failure, ProxyError
from proxy.exchange import Body
from proxy.http.fields import Fields
from proxy.sandbox import Trap
from proxy.wasi.http.errors import error_code, failure
from proxy.wasi.http.fields import GuestFields, visible
from proxy.wasi.p3.streams import GivenFuture, GivenStream, Outcome, Taken, Whole, value_of

Result = tuple[str, Any]


class Incoming(Source):
    """A body that came in, as the source of a guest's stream; `outcome` is what the future after it tells."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._left = body if isinstance(body, bytes) else None
        self.outcome = Outcome()

    def poll(self) -> bytes | None:
        left = self._left
        if left is not None:
            self._left = b""
            if not left:
                self.outcome.tell(("ok", None))
        return left

    async def read(self) -> bytes:
        stream = self.body
        assert not isinstance(stream, bytes)
        try:
            chunk = await stream.read()
        except ProxyError as error:
            self.outcome.tell(("err", error_code(error)))
            return b""
        if not chunk:
            trailers = stream.trailers
            shown = None if trailers is None else GuestFields(visible(trailers), mutable=False)
            self.outcome.tell(("ok", shown))
        return chunk

    def close(self) -> None:
        """Nobody wants the rest."""
        if self._left is not None:
            self._left = b""
        elif not isinstance(self.body, bytes):
            self.body.close()
        self.outcome.tell(("ok", None))


class Contents:
    """What a message carries: a stream, or none, and the future of its trailers; or the body that came in, for which
    there are both only when a guest wants them. Given once."""

    __slots__ = ("_body", "_stream", "_trailers")

    def __init__(self, stream: GivenStream | None, trailers: GivenFuture | None, body: Body | None = None) -> None:
        self._stream = stream
        self._trailers = trailers
        self._body = body

    @classmethod
    def of(cls, body: Body) -> Contents:
        return cls(None, None, body)

    def taken(self) -> tuple[GivenStream, GivenFuture]:
        """As a guest gets it."""
        if self._body is not None:
            source, self._body = Incoming(self._body), None
            self._stream, self._trailers = HostStream(source), HostFuture(source.outcome)
        assert self._trailers is not None
        return HostStream(Whole()) if self._stream is None else self._stream, self._trailers

    @property
    def empty(self) -> bool:
        return self._body is None and self._stream is None

    def untouched(self) -> Body | None:
        """The body it came from, when nothing has been read of it: no byte of it then goes through the guest."""
        stream = self._stream
        if isinstance(stream, HostStream) and stream.untouched and isinstance(stream.source, Incoming):
            return stream.source.body
        return self._body

    def close(self) -> None:
        if self._body is not None and not isinstance(self._body, bytes):
            self._body.close()
        if self._stream is not None:
            self._stream.drop()
        if self._trailers is not None:
            self._trailers.drop()


class Outgoing:
    """A body that a guest writes, as others read it (proxy.exchange.Stream). `length`: what was announced.

    `transmitted` is told how it ended. `on_end` is called when nothing of it is wanted or to come any more.
    """

    def __init__(self, contents: Contents, length: int | None, incomplete: Failure, transmitted: Outcome) -> None:
        stream, trailers = contents.taken()
        self.length = length
        self.trailers: Fields | None = None
        self.transmitted = transmitted
        self.on_end: Callable[[], None] = _nothing
        self._stream = Taken(stream)
        self._trailers: GivenFuture | FutureReader | None = trailers
        self._incomplete = incomplete
        self._read = 0
        self._ahead: list[bytes] = []
        self._written = False
        """Whether all of the stream was read; what comes after it may still be waited for."""
        self._error: ProxyError | None = None
        self._over = False

    @property
    def over(self) -> bool:
        return self._over

    def begin(self) -> None:
        """Reads ahead: a guest that has just given it, and is about to write, then does not have to wait for a reader.
        It may be far enough ahead to be done with all of it."""
        self._stream.begin()
        if isinstance(self._trailers, SharedFuture):
            self._trailers = FutureReader(self._trailers)
            self._trailers.begin(1)

    def whole(self, most: int) -> bytes | None:
        """All of it, if that is there at once, and about `most` bytes at most, without trailers. Else what was seen of
        it is what `read` gives first."""
        try:
            while not self._written:
                if self._read >= most or (chunk := self._stream.poll()) is None:
                    return None
                self._take(chunk)
                if chunk:
                    self._ahead.append(chunk)
            if not self._ends_at_once() or self.trailers is not None:
                return None
        except (ProxyError, Trap, RuntimeError) as error:
            self.fail(error)
            return None
        return b"".join(self._ahead)

    async def read(self) -> bytes:
        if self._ahead:
            return self._ahead.pop(0)
        if self._error is not None:
            raise self._error
        if self._over:
            return b""
        try:
            chunk = b"" if self._written else await self._stream.read()
            self._take(chunk)
            if not chunk:
                assert self._trailers is not None
                self._ended(await value_of(self._trailers))
        except (ProxyError, Trap, RuntimeError) as error:
            raise self.fail(error) from error
        return chunk

    def _take(self, chunk: bytes) -> None:
        self._written = not chunk
        self._read += len(chunk)
        if self.length is not None and self._read > self.length:
            raise ProxyError(self._incomplete, f"the body is longer than the {self.length} bytes announced")

    def _ends_at_once(self) -> bool:
        """Whether what comes after the stream is there."""
        if isinstance(self._trailers, SharedFuture):
            self._trailers = FutureReader(self._trailers)
        told = self._trailers.poll() if isinstance(self._trailers, FutureReader) else None
        if told is None:
            return False
        self._ended(told[0])
        return True

    def _ended(self, told: Result) -> None:
        self._trailers = None
        case, value = told
        if case == "err":
            raise failure(value)
        if self.length is not None and self._read != self.length:
            raise ProxyError(self._incomplete, f"the body has {self._read} bytes, {self.length} were announced")
        self.trailers = None if value is None else value.fields
        self._end(("ok", None))

    def fail(self, error: BaseException) -> ProxyError:
        """It will not be whole."""
        known = error if isinstance(error, ProxyError) else ProxyError(self._incomplete, f"the component: {error}")
        if not self._over:
            self._error = known
            self._end(("err", error_code(known)))
        return known

    def abandoned(self) -> None:
        """The guest is over: what it has not written by now never comes."""
        if self._stream.stuck:
            self._stream.fail(ProxyError(self._incomplete, "the component did not finish the body"))

    def close(self) -> None:
        if not self._over:
            self._error = ProxyError(self._incomplete, "nobody reads the body any more")
            self._end(("err", error_code(self._error)))

    def _end(self, outcome: Result) -> None:
        self._over = True
        self._stream.close()
        if self._trailers is not None:
            self._trailers.drop()
        self.transmitted.tell(outcome)
        on_end, self.on_end = self.on_end, _nothing  # what it is told knows of this body
        on_end()


def _nothing() -> None:
    """Nobody waits for the end."""

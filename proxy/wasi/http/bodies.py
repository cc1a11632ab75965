"""Bodies of wasi:http/types as streams of wasi:io, with backpressure both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from proxy import errors
from proxy.errors import Failure, ProxyError
from proxy.exchange import Body, Pipe, Stream
from proxy.http.fields import Fields
from proxy.wasi.io import WRITABLE, StreamFailed
from proxy.wasi.waiting import Job, until


class BodyInput:
    """A body that comes in, as an input stream. A chunk is asked for when the guest looks for one, and not before it
    has taken the one before."""

    def __init__(self, body: Body) -> None:
        whole = isinstance(body, bytes)
        self._stream: Stream | None = None if isinstance(body, bytes) else body
        self._chunk: bytes = body if isinstance(body, bytes) else b""
        self._job: Job[bytes] | None = None
        self._error: ProxyError | None = None
        self._ended = whole

    def pending(self) -> asyncio.Future[Any] | None:
        self._fill()
        return None if self._job is None else self._job.pending()

    def read(self, data: Any, most: int) -> bytes | None:
        self._fill()
        if self._chunk:
            taken, self._chunk = self._chunk[:most], self._chunk[most:]
            return taken
        if self._error is not None:
            raise StreamFailed(str(self._error)) from self._error
        return None if self._ended else b""

    def close(self) -> None:
        """The stream may be dropped before the body is: nothing is lost by it."""

    async def rest(self) -> Fields | None:
        """Reads to the end, and gives the trailers. Raises ProxyError."""
        while not self._ended:
            await until(self)
            if self._error is not None:
                raise self._error
            self._chunk = b""
        return None if self._stream is None else self._stream.trailers

    def end(self) -> None:
        """Nobody wants the rest."""
        if self._job is not None:
            self._job.cancel()
        if self._stream is not None:
            self._stream.close()

    def _fill(self) -> None:
        """Takes a chunk that has arrived; asks for one where there is none."""
        if self._chunk or self._ended or self._error is not None or self._stream is None:
            return
        if self._job is None:
            self._job = Job(self._stream.read())
        if self._job.pending() is None:
            job, self._job = self._job, None
            try:
                self._chunk = job.result()
            except ProxyError as error:
                self._error = error
            else:
                self._ended = not self._chunk


class BodyOutput:
    """A body that goes out: an output stream for the guest, `pipe` for whoever sends it on.

    expected: the length that was announced. sent: whether anybody will read it (not after HEAD, say). incomplete: the
    failure that a reader gets when the guest does not finish it. on_close: called when the reader wants no more.
    """

    def __init__(self, expected: int | None, *, sent: bool, incomplete: Failure) -> None:
        self.pipe = Pipe(expected, pause=self._pause, resume=self._resume, on_close=self._closed)
        self._expected = expected
        self._sent = sent
        self._incomplete = incomplete
        self._written = 0
        self._wanted = True
        self._drained: asyncio.Future[None] | None = None
        self._given = False
        self.finished = False
        self.on_close: Callable[[], None] | None = None

    def stream(self) -> tuple[str, Any]:
        """Itself, once."""
        if self._given:
            return "err", None
        self._given = True
        return "ok", self

    def pending(self) -> asyncio.Future[Any] | None:
        return self._drained

    def room(self) -> int | None:
        if not self._wanted or self.finished:
            return None
        return 0 if self._drained is not None else WRITABLE

    def write(self, data: Any, contents: bytes) -> None:
        self._written += len(contents)
        if self._expected is not None and self._written > self._expected:
            error = self._failure(f"the body is longer than the {self._expected} bytes announced")
            raise StreamFailed(error.detail) from error
        if self._sent:
            self.pipe.feed(contents)

    def close(self, data: Any) -> None:
        """The stream is dropped; the body has its own end."""

    def finish(self, trailers: Fields | None) -> ProxyError | None:
        """The guest has written everything; whether that is so."""
        if self._expected is not None and self._written != self._expected and self._sent:
            return self._failure(f"the body has {self._written} bytes, {self._expected} were announced")
        self.finished = True
        self.pipe.end(trailers)
        return None

    def abandon(self) -> None:
        """The guest will write no more."""
        self.fail(ProxyError(self._incomplete, "the component did not finish the body"))

    def fail(self, error: ProxyError) -> None:
        """What was written is still read, then this is raised. Nothing, if the body is finished."""
        if not self.finished:
            self.finished = True
            self.pipe.fail(error)

    def _failure(self, detail: str) -> ProxyError:
        error = ProxyError(self._incomplete, detail)
        self.fail(error)
        return error

    def _pause(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def _resume(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _closed(self) -> None:
        self._wanted = False
        self._resume()
        if self.on_close is not None:
            self.on_close()


INCOMPLETE_RESPONSE = errors.HTTP_RESPONSE_INCOMPLETE
INCOMPLETE_REQUEST = errors.HTTP_REQUEST_ERROR

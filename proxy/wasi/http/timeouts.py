"""The times of `request-options`, in which a guest wants what it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from proxy import errors
from proxy.errors import Failure, ProxyError
from proxy.exchange import Response, Stream
from proxy.exchange.eager import start
from proxy.http.fields import Fields

T = TypeVar("T")

NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Timeouts:
    """In nanoseconds, as guests say them; None where the proxy's own limits are enough."""

    connect: int | None = None
    """Until there is a connection."""
    first_byte: int | None = None
    """Until the response's head is there."""
    between_bytes: int | None = None
    """Until more of the response's body is there, each time that the guest waits for it."""

    def connect_by(self) -> float | None:
        """By the event loop's clock."""
        return None if self.connect is None else asyncio.get_running_loop().time() + self.connect / NANOSECONDS

    async def of(self, answer: Coroutine[Any, Any, Response]) -> Response:
        """The response, if it comes in time; so does its body, or fails."""
        if self.first_byte is None:
            response = await answer
        else:
            response = await within(answer, self.first_byte, errors.HTTP_RESPONSE_TIMEOUT, "no response")
        if self.between_bytes is not None and not isinstance(response.body, bytes):
            response.body = Hurried(response.body, self.between_bytes)
        return response


NONE = Timeouts()


class Hurried:
    """A body of which each piece has to come in time."""

    def __init__(self, stream: Stream, nanoseconds: int) -> None:
        self._stream = stream
        self._nanoseconds = nanoseconds

    @property
    def length(self) -> int | None:
        return self._stream.length

    @property
    def trailers(self) -> Fields | None:
        return self._stream.trailers

    async def read(self) -> bytes:
        try:
            piece = self._stream.read()
            return await within(piece, self._nanoseconds, errors.CONNECTION_READ_TIMEOUT, "nothing more of the body")
        except ProxyError:
            self._stream.close()
            raise

    def close(self) -> None:
        self._stream.close()


async def within(work: Coroutine[Any, Any, T], nanoseconds: int, late: Failure, what: str) -> T:
    """Its result. Raises ProxyError when there is none in time; it is cancelled then."""
    begun = start(work)
    if not isinstance(begun, asyncio.Task):
        return begun
    seconds = nanoseconds / NANOSECONDS
    try:
        done, _ = await asyncio.wait([begun], timeout=seconds)
    except asyncio.CancelledError:
        begun.cancel()
        raise
    if not done:
        begun.cancel()
        raise ProxyError(late, f"{what} within {seconds:g} s")
    return begun.result()

"""Streams and futures that guests give the host, whoever made them: a guest, or the host itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

from proxy.component import FutureReader, HostFuture, HostStream, SharedFuture, SharedStream, Source, StreamReader

CHUNK = 64 * 1024
"""Bytes of a stream that are taken at once."""

GivenStream = SharedStream | HostStream
GivenFuture = SharedFuture | HostFuture


class Outcome:
    """A value to come, which most of the time nobody waits for: there is a future only for who does."""

    __slots__ = ("_value", "_waiting", "known")

    def __init__(self) -> None:
        self.known = False
        self._value: Any = None
        self._waiting: list[asyncio.Future[None]] = []

    @classmethod
    def of(cls, value: Any) -> Outcome:
        made = cls()
        made.tell(value)
        return made

    def tell(self, value: Any) -> None:
        """The first one counts."""
        if not self.known:
            self.known, self._value = True, value
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    def close(self) -> None:
        """One of those that may wait does not want it."""

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.known:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            yield from future
        return self._value


class Taken:
    """A stream of bytes that a guest has given away. `read` gives b"" at its end."""

    def __init__(self, stream: GivenStream) -> None:
        self._stream = stream
        self._reader = StreamReader(stream) if isinstance(stream, SharedStream) else None

    def begin(self) -> None:
        """Reads ahead, as far as one piece."""
        if self._reader is not None:
            self._reader.begin(CHUNK)

    async def read(self) -> bytes:
        data: bytes
        if self._reader is not None:
            data = await self._reader.read(CHUNK)
        else:
            assert isinstance(self._stream, HostStream)
            data = await self._stream.take()
        return data

    def poll(self) -> bytes | None:
        """The same if a guest has it at once, else None."""
        return None if self._reader is None else self._reader.poll(CHUNK)

    @property
    def stuck(self) -> bool:
        """Whether nobody is left who could write."""
        return self._reader is not None and self._reader.stuck

    def fail(self, error: BaseException) -> None:
        if self._reader is not None:
            self._reader.fail(error)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.drop()
        else:
            self._stream.drop()


async def value_of(future: GivenFuture | FutureReader) -> Any:
    """The value of a future that a guest has given away."""
    if isinstance(future, SharedFuture):
        return await FutureReader(future).read()
    if isinstance(future, FutureReader):
        return await future.read()
    return await future.take()


def ready(value: Any) -> HostFuture:
    """A future that has its value."""
    return HostFuture(Outcome.of(value))


class _Running:
    """A task that goes on when nobody wants its result any more."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from asyncio.wait([self._task]).__await__()
        return self._task.result()


def running(work: Coroutine[Any, Any, Any]) -> HostFuture:
    """A future of what is done meanwhile, whether or not the guest looks at it."""
    return HostFuture(_Running(asyncio.get_running_loop().create_task(work)))


class Whole(Source):
    """A source of bytes that are there."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def poll(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        self._data = b""

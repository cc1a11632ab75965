"""wasi:io (error, poll, streams) over whatever reads, writes and waits on the host's side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from proxy.component import HostInterface
from proxy.wasi.output import Lines
from proxy.wasi.waiting import Pollable, until

WRITABLE = 65536
"""Bytes that may be written at once."""

MAX_BLOCKING_WRITE = 4096
"""Of blocking-write-and-flush (wasi:io/streams)."""

MAX_READ = 65536

CLOSED = ("err", ("closed", None))
OK = ("ok", None)


class StreamFailed(Exception):
    """A stream's last operation failed; `__cause__` is why, and what the guest gets as its wasi:io/error."""


class InputStream(Pollable, Protocol):
    def read(self, data: Any, most: int) -> bytes | None:
        """What is there of the next `most` bytes, b"" when nothing is yet, None at the end. Raises StreamFailed."""

    def close(self) -> None: ...


class OutputStream(Pollable, Protocol):
    def room(self) -> int | None:
        """Bytes that may be written now, None when nobody reads any more."""

    def write(self, data: Any, contents: bytes) -> None:
        """No more than there is room for. Raises StreamFailed."""

    def close(self, data: Any) -> None: ...


class NoInput:
    """An input stream at its end."""

    def read(self, data: Any, most: int) -> bytes | None:
        return None

    def pending(self) -> asyncio.Future[Any] | None:
        return None

    def close(self) -> None:
        """Nothing is kept."""


class LinesOutput:
    """An output stream into lines. `impure` is called before each write, `closed` when it is dropped."""

    def __init__(self, lines: Lines, impure: Callable[[Any], None], closed: Callable[[Any, LinesOutput], None]) -> None:
        self._lines = lines
        self._impure = impure
        self._closed = closed

    def room(self) -> int | None:
        return WRITABLE

    def write(self, data: Any, contents: bytes) -> None:
        self._impure(data)
        self._lines.write(data, contents)

    def pending(self) -> asyncio.Future[Any] | None:
        return None

    def close(self, data: Any) -> None:
        self._lines.flush(data)
        self._closed(data, self)


class BadCall(Exception):
    """The guest called a function in a way that its interface forbids."""


Result = tuple[str, Any]
Later = Coroutine[Any, Any, Any]

STREAM = {
    "[method]input-stream.blocking-read",
    "[method]input-stream.blocking-skip",
    "[method]output-stream.blocking-write-and-flush",
    "[method]output-stream.blocking-write-zeroes-and-flush",
    "[method]output-stream.blocking-flush",
    "[method]output-stream.blocking-splice",
}
"""The functions of wasi:io/streams that may wait."""


def interfaces(forget: Callable[[Any, Pollable], object] | None = None) -> dict[str, HostInterface]:
    """forget: called with a pollable that the guest has dropped."""
    return {
        "io/error": HostInterface({"[method]error.to-debug-string": _debug_string}, resources={"error": _dropped}),
        "io/poll": HostInterface(
            {"poll": _poll, "[method]pollable.ready": _ready, "[method]pollable.block": _block},
            resources={"pollable": forget or _dropped},
            suspending=("poll", "[method]pollable.block"),
        ),
        "io/streams": HostInterface(
            {
                **{f"[method]input-stream.{name}": function for name, function in _INPUT.items()},
                **{f"[method]output-stream.{name}": function for name, function in _OUTPUT.items()},
            },
            resources={"input-stream": _close_input, "output-stream": _close_output},
            suspending=STREAM,
        ),
    }


def _dropped(data: Any, resource: Any) -> None:
    """Nothing is kept for it."""


def _debug_string(data: Any, error: Any) -> str:
    return str(error)


def _poll(data: Any, pollables: list[Pollable]) -> list[int] | Later:
    if not pollables:
        raise BadCall("wasi:io/poll#poll without pollables")
    return _ready_ones(pollables) or _poll_later(pollables)


async def _poll_later(pollables: list[Pollable]) -> list[int]:
    while not (ready := _ready_ones(pollables)):
        await until(*pollables)
    return ready


def _ready_ones(pollables: list[Pollable]) -> list[int]:
    return [index for index, pollable in enumerate(pollables) if pollable.pending() is None]


def _ready(data: Any, pollable: Pollable) -> bool:
    return pollable.pending() is None


def _block(data: Any, pollable: Pollable) -> Later | None:
    return None if pollable.pending() is None else until(pollable)


def _subscribe(data: Any, stream: Pollable) -> Pollable:
    return stream


def _blocking(function: Callable[..., Result]) -> Callable[..., Result | Later]:
    """The same once the stream it is about is ready."""

    def blocking(data: Any, stream: Pollable, *arguments: Any) -> Result | Later:
        return function(data, stream, *arguments) if stream.pending() is None else later(data, stream, *arguments)

    async def later(data: Any, stream: Pollable, *arguments: Any) -> Result:
        await until(stream)
        return function(data, stream, *arguments)

    return blocking


def _failed(error: StreamFailed) -> Result:
    return "err", ("last-operation-failed", error.__cause__ or error)


def _read(data: Any, stream: InputStream, length: int) -> Result:
    try:
        found = stream.read(data, min(length, MAX_READ))
    except StreamFailed as error:
        return _failed(error)
    return CLOSED if found is None else ("ok", found)


def _skip(data: Any, stream: InputStream, length: int) -> Result:
    case, found = _read(data, stream, length)
    return (case, len(found)) if case == "ok" else (case, found)


def _check_write(data: Any, stream: OutputStream) -> Result:
    room = stream.room()
    return CLOSED if room is None else ("ok", room)


def _write(data: Any, stream: OutputStream, contents: bytes) -> Result:
    room = stream.room()
    if room is None:
        return CLOSED
    if len(contents) > room:
        raise BadCall("wasi:io/streams#write of more than check-write allowed")
    try:
        stream.write(data, contents)
    except StreamFailed as error:
        return _failed(error)
    return OK


def _write_at_once(data: Any, stream: OutputStream, contents: bytes) -> Result:
    if len(contents) > MAX_BLOCKING_WRITE:
        raise BadCall(f"wasi:io/streams#blocking-write-and-flush of more than {MAX_BLOCKING_WRITE} bytes")
    return _write(data, stream, contents)


def _zeroes(function: Callable[..., Result]) -> Callable[..., Result]:
    def zeroes(data: Any, stream: OutputStream, length: int) -> Result:
        return function(data, stream, bytes(min(length, WRITABLE + 1)))

    return zeroes


def _flush(data: Any, stream: OutputStream) -> Result:
    return CLOSED if stream.room() is None else OK


def _splice(data: Any, stream: OutputStream, source: InputStream, length: int) -> Result:
    room = stream.room()
    if room is None:
        return CLOSED
    case, found = _read(data, source, min(length, room))
    if case == "ok" and found:
        case, failure = _write(data, stream, found)
        if case == "err":
            return case, failure
    return (case, len(found)) if case == "ok" else (case, found)


def _blocking_splice(data: Any, stream: OutputStream, source: InputStream, length: int) -> Result | Later:
    async def later() -> Result:
        await until(stream)
        await until(source)
        return _splice(data, stream, source, length)

    ready = stream.pending() is None and source.pending() is None
    return _splice(data, stream, source, length) if ready else later()


_INPUT: dict[str, Callable[..., object]] = {
    "read": _read,
    "blocking-read": _blocking(_read),
    "skip": _skip,
    "blocking-skip": _blocking(_skip),
    "subscribe": _subscribe,
}

_OUTPUT: dict[str, Callable[..., object]] = {
    "check-write": _check_write,
    "write": _write,
    "blocking-write-and-flush": _blocking(_write_at_once),
    "write-zeroes": _zeroes(_write),
    "blocking-write-zeroes-and-flush": _blocking(_zeroes(_write_at_once)),
    "flush": _flush,
    "blocking-flush": _blocking(_flush),
    "subscribe": _subscribe,
    "splice": _splice,
    "blocking-splice": _blocking_splice,
}


def _close_input(data: Any, stream: InputStream) -> None:
    stream.close()


def _close_output(data: Any, stream: OutputStream) -> None:
    stream.close(data)

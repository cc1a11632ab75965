"""wasi:io (error, poll, streams): streams that never have anything to read, and streams that print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.output import Lines

WRITABLE = 65536
"""Bytes that may always be written at once."""

MAX_BLOCKING_WRITE = 4096
"""Of blocking-write-and-flush (wasi:io/streams)."""

CLOSED = ("err", ("closed", None))
OK = ("ok", None)


class InputStream:
    """An input stream at its end."""


class OutputStream:
    """An output stream into lines."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines


class Pollable:
    """Something that is always ready: nothing here ever makes a guest wait."""


class BadCall(Exception):
    """The guest called a function in a way that its interface forbids."""


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    return {
        "io/error": HostInterface({"[method]error.to-debug-string": _debug_string}, resources={"error": _dropped}),
        "io/poll": HostInterface(
            {"poll": _poll, "[method]pollable.ready": lambda data, pollable: True, "[method]pollable.block": _dropped},
            resources={"pollable": _dropped},
        ),
        "io/streams": HostInterface(
            {**_input_functions(), **_output_functions(impure)},
            resources={"input-stream": _dropped, "output-stream": _flush_dropped},
        ),
    }


def _dropped(data: Any, resource: Any) -> None:
    """Nothing is kept for it."""


def _debug_string(data: Any, error: Any) -> str:
    return str(error)


def _poll(data: Any, pollables: list[Pollable]) -> list[int]:
    if not pollables:
        raise BadCall("wasi:io/poll#poll without pollables")
    return list(range(len(pollables)))


def _input_functions() -> dict[str, Callable[..., object]]:
    names = ("read", "blocking-read", "skip", "blocking-skip")
    functions: dict[str, Callable[..., object]] = {
        f"[method]input-stream.{name}": lambda data, stream, length: CLOSED for name in names
    }
    functions["[method]input-stream.subscribe"] = lambda data, stream: Pollable()
    return functions


def _output_functions(impure: Callable[[Any], None]) -> dict[str, Callable[..., object]]:
    def write(data: Any, stream: OutputStream, contents: bytes) -> object:
        if len(contents) > WRITABLE:
            raise BadCall("wasi:io/streams#write of more than check-write allowed")
        impure(data)
        stream.lines.write(data, contents)
        return OK

    def blocking_write(data: Any, stream: OutputStream, contents: bytes) -> object:
        if len(contents) > MAX_BLOCKING_WRITE:
            raise BadCall(f"wasi:io/streams#blocking-write-and-flush of more than {MAX_BLOCKING_WRITE} bytes")
        return write(data, stream, contents)

    def zeroes(data: Any, stream: OutputStream, length: int) -> object:
        if length > WRITABLE:
            raise BadCall("wasi:io/streams#write-zeroes of more than check-write allowed")
        return write(data, stream, bytes(length))

    functions: dict[str, Callable[..., object]] = {
        "check-write": lambda data, stream: ("ok", WRITABLE),
        "write": write,
        "blocking-write-and-flush": blocking_write,
        "write-zeroes": zeroes,
        "blocking-write-zeroes-and-flush": zeroes,
        "flush": lambda data, stream: OK,
        "blocking-flush": lambda data, stream: OK,
        "subscribe": lambda data, stream: Pollable(),
        "splice": lambda data, stream, source, length: CLOSED,
        "blocking-splice": lambda data, stream, source, length: CLOSED,
    }
    return {f"[method]output-stream.{name}": function for name, function in functions.items()}


def _flush_dropped(data: Any, stream: OutputStream) -> None:
    stream.lines.flush(data)

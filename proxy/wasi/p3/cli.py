"""wasi:cli 0.3: the environment that was granted, no arguments, no terminal, input at its end, output line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.component import HostFuture, HostInterface, HostStream
from proxy.sandbox import Trap
from proxy.wasi.cli import no_terminals, stop, stop_with
from proxy.wasi.output import Lines, Output
from proxy.wasi.p3.streams import GivenStream, Taken, Whole, ready, running


def interfaces(output: Output, environment: Mapping[str, str]) -> dict[str, HostInterface]:
    variables = list(environment.items())

    def printing(name: str) -> HostInterface:
        def write(data: Any, stream: GivenStream) -> HostFuture:
            return running(_print(data, Lines(name, output), Taken(stream)))

        return HostInterface({"write-via-stream": write})

    return {
        "cli/environment": HostInterface(
            {
                "get-environment": lambda data: variables,
                "get-arguments": lambda data: [],
                "get-initial-cwd": lambda data: None,
            }
        ),
        "cli/exit": HostInterface({"exit": stop, "exit-with-code": stop_with}),
        "cli/stdin": HostInterface({"read-via-stream": _no_input}),
        "cli/stdout": printing("stdout"),
        "cli/stderr": printing("stderr"),
        **no_terminals(),
    }


def _no_input(data: Any) -> tuple[HostStream, HostFuture]:
    return HostStream(Whole()), ready(("ok", None))


async def _print(data: Any, lines: Lines, stream: Taken) -> tuple[str, None]:
    try:
        while content := await stream.read():
            lines.write(data, content)
    except (Trap, RuntimeError):
        """The guest is no more: that was all."""
    finally:
        lines.flush(data)
    return "ok", None

"""wasi:cli: the environment that was granted, no arguments, no terminal, input at its end, output to the caller, and an
end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.io import LinesOutput, NoInput
from proxy.wasi.output import Lines, Output


class Exit(Exception):
    """The guest ended itself (wasi:cli/exit). A component that serves exchanges must not: this reaches the host as a
    trap's cause."""


def interfaces(
    output: Output,
    impure: Callable[[Any], None],
    environment: Mapping[str, str],
    opened: Callable[[Any, LinesOutput], None] = lambda data, stream: None,
    closed: Callable[[Any, LinesOutput], None] = lambda data, stream: None,
) -> dict[str, HostInterface]:
    """opened: called with each stream that a guest gets, which it may never close; closed: when it has."""
    variables = list(environment.items())

    def standard(name: str) -> HostInterface:
        def get(data: Any) -> LinesOutput:
            stream = LinesOutput(Lines(name, output), impure, closed)
            opened(data, stream)
            return stream

        return HostInterface({f"get-{name}": get})

    def get_environment(data: Any) -> list[tuple[str, str]]:
        if variables:  # none are none every time
            impure(data)
        return variables

    return {
        "cli/environment": HostInterface(
            {
                "get-environment": get_environment,
                "get-arguments": lambda data: [],
                "initial-cwd": lambda data: None,
            }
        ),
        "cli/exit": HostInterface({"exit": stop, "exit-with-code": stop_with}),
        "cli/stdin": HostInterface({"get-stdin": lambda data: NoInput()}),
        "cli/stdout": standard("stdout"),
        "cli/stderr": standard("stderr"),
        **no_terminals(),
    }


def no_terminals() -> dict[str, HostInterface]:
    """Standard streams are no terminals."""
    return {
        "cli/terminal-input": HostInterface({}, resources={"terminal-input": _never_made}),
        "cli/terminal-output": HostInterface({}, resources={"terminal-output": _never_made}),
        **{
            f"cli/terminal-{name}": HostInterface({f"get-terminal-{name}": lambda data: None})
            for name in ("stdin", "stdout", "stderr")
        },
    }


def stop(data: Any, status: tuple[str, None]) -> None:
    raise Exit(f"the guest exited, reporting {'success' if status[0] == 'ok' else 'failure'}")


def stop_with(data: Any, code: int) -> None:
    raise Exit(f"the guest exited with code {code}")


def _never_made(data: Any, resource: Any) -> None:
    """No guest has one."""

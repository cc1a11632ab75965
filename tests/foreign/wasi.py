"""WASI 0.2 with nothing behind it: as much as the components of wasi-libc and its adapter import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface
from proxy.sluice.run import Run

VERSION = "0.2.12"


class Wasi:
    """environment: what `get-environment` gives. printed: what was written to standard output and error. time: what
    the clock says, in nanoseconds. Whoever calls any of it is not pure."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.printed = b""
        self.time = 0

    def imports(self) -> dict[str, HostInterface]:
        return {f"wasi:{name}@{VERSION}": interface for name, interface in self._interfaces().items()}

    def _interfaces(self) -> dict[str, HostInterface]:
        stream = "[method]output-stream"
        streams: dict[str, Callable[..., object]] = {
            f"{stream}.check-write": lambda _: ("ok", 4096),
            f"{stream}.write": self._write,
            f"{stream}.blocking-write-and-flush": self._write,
            f"{stream}.blocking-flush": lambda _: ("ok", None),
        }
        files = ("write-via-stream", "append-via-stream", "get-type", "stat")
        descriptors: dict[str, Callable[..., object]] = {
            f"[method]descriptor.{name}": lambda *_: ("err", "bad-descriptor") for name in files
        }
        return {
            "cli/environment": _impure({"get-environment": lambda: list(self.environment.items())}),
            "cli/exit": _impure({"exit": _exit}),
            "cli/stdin": _impure({"get-stdin": object}),
            "cli/stdout": _impure({"get-stdout": object}),
            "cli/stderr": _impure({"get-stderr": object}),
            "clocks/wall-clock": HostInterface({}),
            "clocks/monotonic-clock": _impure({"now": lambda: self.time}),
            "filesystem/preopens": _impure({"get-directories": list}),
            "filesystem/types": _impure({**descriptors, "filesystem-error-code": lambda _: None}, "descriptor"),
            "io/error": HostInterface({}, resources={"error": _dropped}),
            "io/streams": _impure(streams, "input-stream", "output-stream"),
            "random/random": _impure({"get-random-bytes": bytes}),
        }

    def _write(self, _: object, data: bytes) -> tuple[str, None]:
        self.printed += data
        return "ok", None


def _impure(functions: dict[str, Callable[..., object]], *resources: str) -> HostInterface:
    def called(function: Callable[..., object], run: Run, *arguments: Any) -> object:
        run.pure = False
        return function(*arguments)

    bound = {
        name: lambda run, *arguments, function=function: called(function, run, *arguments)
        for name, function in functions.items()
    }
    return HostInterface(bound, resources=dict.fromkeys(resources, _dropped))


def _dropped(run: Run, resource: object) -> None:
    pass


def _exit(status: object) -> None:
    raise RuntimeError(f"exit: {status}")

"""Which host functions of `sluice:filter` are answered in Wasm, and what the host does when it is asked after all.

`lens.wat` has what stands in front of them, `glass` what that knows. Every other function of the package is the host's
alone; as the guest may have read and written before, what it did is taken in first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from proxy.component import HostFunc, Inlaid
from proxy.exchange.observation import Source
from proxy.sluice import reading, writing
from proxy.sluice.edits import Edit
from proxy.sluice.glass import Setter
from proxy.sluice.reading import Reads
from proxy.sluice.run import Run

STRING, OPTION, NUMBER = 8, 12, 0
"""What a getter gives: the bytes of the result in memory, none for a number."""

GETTERS: Mapping[tuple[str, str], int] = {
    ("request", "method"): STRING,
    ("request", "scheme"): STRING,
    ("request", "authority"): STRING,
    ("request", "path"): STRING,
    ("request", "query"): OPTION,
    ("request", "query-param"): OPTION,
    ("request", "header"): OPTION,
    ("request", "cookie"): OPTION,
    ("request", "client-address"): STRING,
    ("request", "note"): OPTION,
    ("response", "status"): NUMBER,
    ("response", "header"): OPTION,
    ("config", "get"): OPTION,
    ("config", "json"): STRING,
}
"""What each gives."""


def _field(name: str) -> Source:
    return "header", name.lower()


def _response_field(name: str) -> Source:
    return "response.header", name.lower()


SETTERS: Mapping[tuple[str, str], tuple[int, Callable[[str], Source]]] = {
    ("request", "set-header"): (2, _field),
    ("request", "append-header"): (2, _field),
    ("request", "remove-header"): (1, _field),
    ("request", "set-note"): (2, lambda name: ("note", name)),
    ("response", "set-header"): (2, _response_field),
    ("response", "append-header"): (2, _response_field),
    ("response", "remove-header"): (1, _response_field),
    ("response", "tag"): (1, lambda name: ("response.tag", name)),
}
"""How many arguments each has, and what reads of what it writes come from. Where the first argument was right once, all
of them take any printable ASCII for the second: but `set-header` of `host`."""

_NUMBERS = {function: number for number, function in enumerate((*GETTERS, *SETTERS))}
_READING: Mapping[str, Mapping[str, Reads]] = {"request": reading.REQUEST, "response": reading.RESPONSE, "config": {}}
_CONFIG_GET = ("config", "get")
_WRITING: Mapping[str, Mapping[str, Callable[..., Edit]]] = {
    "request": writing.REQUEST,
    "response": writing.RESPONSE,
}


def fronts(interface: str) -> Mapping[str, Inlaid]:
    """What stands in front of the functions of an interface, for `HostInterface.inlaid`."""
    module = _module()
    found: dict[str, Inlaid] = {}
    for (where, name), size in GETTERS.items():
        if where == interface:
            number = _NUMBERS[where, name]
            if size == NUMBER:
                found[name] = Inlaid(module, "number", (number,))
            else:
                before = (number,) if _has_argument(where, name) else (number, 0, 0)
                found[name] = Inlaid(module, "ask", before, (size,))
    for (where, name), (arguments, _) in SETTERS.items():
        if where == interface:
            found[name] = Inlaid(module, "put", (_NUMBERS[where, name],), (0, 0) if arguments == 1 else ())
    if interface == "log":
        found["log"] = Inlaid(module, "silent")
    return found


@cache
def _module() -> bytes:
    return files("proxy.sluice").joinpath("lens.wasm").read_bytes()


def _has_argument(interface: str, name: str) -> bool:
    return (interface, name) == _CONFIG_GET or callable(_READING[interface].get(name))


def behind(interface: str, name: str, function: HostFunc) -> HostFunc:
    """A host function as it is called where what stands in front of it, if anything does, has not answered."""
    if (interface, name) in GETTERS:
        return _getter(_NUMBERS[interface, name], _READING[interface].get(name), function)
    if name in _WRITING.get(interface, ()):
        return _setter(interface, name, function)
    if interface == "log":
        return _logging(function)
    return _reading(function)


def _getter(number: int, reads: Reads | None, function: HostFunc) -> HostFunc:
    """reads: None for what never changes."""

    def call(run: Run, argument: str | None = None) -> Any:
        given = () if argument is None else (argument,)
        glass = run.glass
        if glass is None:
            return function(run, *given)
        glass.drain(run)
        value = function(run, *given)
        observation = reads(argument or "") if callable(reads) else reads
        glass.asked(number, argument or "", observation, value)
        return value

    return call


def _setter(interface: str, name: str, function: HostFunc) -> HostFunc:
    number = _NUMBERS.get((interface, name))
    count, touches = SETTERS.get((interface, name), (0, None))
    write = _WRITING[interface][name]

    def call(run: Run, *arguments: Any) -> None:
        glass = run.glass
        if glass is None:
            function(run, *arguments)
            return
        glass.drain(run)
        function(run, *arguments)
        glass.close(run)
        first = arguments[0]
        if number is not None and touches is not None and first.lower() != "host":
            glass.wrote(Setter(number, first.encode(), write, count, touches(first), interface == "response"))

    return call


def _logging(function: HostFunc) -> HostFunc:
    def call(run: Run, level: str, message: str) -> None:
        if run.glass is not None:
            run.glass.spoke()
        function(run, level, message)

    return call


def _reading(function: HostFunc) -> HostFunc:
    """A getter that is the host's alone."""

    def call(run: Run) -> Any:
        if run.glass is not None:
            run.glass.drain(run)
        return function(run)

    return call

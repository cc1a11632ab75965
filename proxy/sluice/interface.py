"""The host functions of `sluice:filter`: each import of a filter, answered from its Run.

The promised types come from the WIT package itself (filter_wit.wasm, made by filters/build), so a component that
declares another signature under one of our names is refused when it is linked, not when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from proxy.component import HostInterface, interfaces
from proxy.sluice import lens, reading, writing
from proxy.sluice.edits import Edit
from proxy.sluice.reading import Reads
from proxy.sluice.run import Run

PACKAGE = "sluice:filter"
VERSION = "0.1.0"


def name(interface: str) -> str:
    """An interface of our package by its full name."""
    return f"{PACKAGE}/{interface}@{VERSION}"


def _reads_request(reads: Reads) -> Callable[..., Any]:
    if callable(reads):
        return lambda run, argument: run.read(reads(argument))
    return lambda run: run.read(reads)


def _reads_response(reads: Reads) -> Callable[..., Any]:
    if callable(reads):
        return lambda run, argument: run.read_response(reads(argument))
    return lambda run: run.read_response(reads)


def _headers(run: Run) -> Any:
    return list(run.read(("headers", "")) or ())


def _response_status(run: Run) -> int:
    return int(str(run.read_response(("response.status", ""))))


def _response_headers(run: Run) -> Any:
    return list(run.read_response(("response.headers", "")) or ())


def _edits_request(edit: Callable[..., Edit]) -> Callable[..., None]:
    return lambda run, *arguments: run.edit_request(edit(*arguments))


def _edits_response(edit: Callable[..., Edit]) -> Callable[..., None]:
    return lambda run, *arguments: run.edit_response(edit(*arguments))


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "request": {
        **{name: _reads_request(reads) for name, reads in reading.REQUEST.items()},
        "headers": _headers,
        **{name: _edits_request(edit) for name, edit in writing.REQUEST.items()},
    },
    "response": {
        **{name: _reads_response(reads) for name, reads in reading.RESPONSE.items()},
        "status": _response_status,
        "headers": _response_headers,
        **{name: _edits_response(edit) for name, edit in writing.RESPONSE.items()},
    },
    "config": {
        "get": lambda run, key: run.settings.get(key),
        "json": lambda run: run.settings.json,
    },
    "log": {"log": Run.log},
}


@cache
def promised() -> Mapping[str, Any]:
    """The types of the package's interfaces, by full name."""
    return interfaces(files("proxy.sluice").joinpath("filter_wit.wasm").read_bytes())


def imports(*, inlaid: bool = True) -> Mapping[str, HostInterface]:
    """What a filter can import of `sluice:filter`. inlaid: what can be is answered inside of Wasm (`lens`)."""
    if not inlaid:
        return {
            name(interface): HostInterface(functions, promised()[name(interface)].functions)
            for interface, functions in FUNCTIONS.items()
        }
    return {
        name(interface): HostInterface(
            {function: lens.behind(interface, function, called) for function, called in functions.items()},
            promised()[name(interface)].functions,
            inlaid=lens.fronts(interface),
        )
        for interface, functions in FUNCTIONS.items()
    }

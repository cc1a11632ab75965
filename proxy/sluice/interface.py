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
from proxy.exchange.observation import Source
from proxy.sluice import edits
from proxy.sluice.run import Run

PACKAGE = "sluice:filter"
VERSION = "0.1.0"


def name(interface: str) -> str:
    """An interface of our package by its full name."""
    return f"{PACKAGE}/{interface}@{VERSION}"


def _read(accessor: str) -> Callable[[Run], Any]:
    observation = (accessor, "")
    return lambda run: run.read(observation)


def _read_of(accessor: str) -> Callable[[Run, str], Any]:
    return lambda run, argument: run.read((accessor, argument))


def _header(run: Run, header: str) -> Any:
    return run.read(("header", header.lower()))


def _headers(run: Run) -> Any:
    return list(run.read(("headers", "")) or ())


def _set_attribute(attribute: str, check: Callable[[Any], Any]) -> Callable[[Run, Any], None]:
    source: Source = (attribute, "")
    return lambda run, value: run.edit_request((edits.set_attribute, (attribute, check(value))), source)


_set_authority = _set_attribute("authority", edits.checked_authority)


def _set_header(run: Run, header: str, value: str) -> None:
    if header.lower() == "host":
        return _set_authority(run, value)
    line = edits.header_line(header, value)
    run.edit_request((edits.set_header, line), edits.header_source(line[0]))
    return None


def _append_header(run: Run, header: str, value: str) -> None:
    line = edits.header_line(header, value)
    if line[0] == b"host":
        raise edits.Refused("a request has one host: set it, do not append to it (RFC 9110 §7.2)")
    # What was there stays part of what is read later: nothing is replaced.
    run.edit_request((edits.append_header, line), None)


def _remove_header(run: Run, header: str) -> None:
    key = edits.header_name(header)
    if key == b"host":
        raise edits.Refused("a request needs its host (RFC 9110 §7.2)")
    run.edit_request((edits.remove_header, (key,)), edits.header_source(key))


def _set_note(run: Run, note: str, value: str) -> None:
    run.edit_request((edits.set_note, (note, value)), ("note", note))


def _status(run: Run) -> int:
    return int(str(run.read_response(("response.status", ""))))


def _response_header(run: Run, header: str) -> Any:
    return run.read_response(("response.header", header.lower()))


def _response_headers(run: Run) -> Any:
    return list(run.read_response(("response.headers", "")) or ())


def _set_status(run: Run, code: int) -> None:
    run.edit_response((edits.set_status, (edits.status(code),)), ("response.status", ""))


def _set_response_header(run: Run, header: str, value: str) -> None:
    line = edits.header_line(header, value)
    run.edit_response((edits.set_header, line), ("response.header", line[0].decode()))


def _append_response_header(run: Run, header: str, value: str) -> None:
    run.edit_response((edits.append_header, edits.header_line(header, value)), None)


def _remove_response_header(run: Run, header: str) -> None:
    key = edits.header_name(header)
    run.edit_response((edits.remove_header, (key,)), ("response.header", key.decode()))


def _tag(run: Run, tag: str) -> None:
    run.edit_response((edits.add_tag, (tag,)), None)


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "request": {
        "method": _read("method"),
        "scheme": _read("scheme"),
        "authority": _read("authority"),
        "path": _read("path"),
        "query": _read("query"),
        "query-param": _read_of("query-param"),
        "header": _header,
        "headers": _headers,
        "cookie": _read_of("cookie"),
        "client-address": _read("client-address"),
        "note": _read_of("note"),
        "set-method": _set_attribute("method", edits.checked_method),
        "set-authority": _set_authority,
        "set-path": _set_attribute("path", edits.checked_path),
        "set-query": _set_attribute("query", edits.checked_query),
        "set-header": _set_header,
        "append-header": _append_header,
        "remove-header": _remove_header,
        "set-note": _set_note,
    },
    "response": {
        "status": _status,
        "header": _response_header,
        "headers": _response_headers,
        "set-status": _set_status,
        "set-header": _set_response_header,
        "append-header": _append_response_header,
        "remove-header": _remove_response_header,
        "tag": _tag,
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


def imports() -> Mapping[str, HostInterface]:
    """What a filter can import of `sluice:filter`."""
    return {
        name(interface): HostInterface(functions, promised()[name(interface)].functions)
        for interface, functions in FUNCTIONS.items()
    }

"""What each setter of `sluice:filter` writes: its arguments, checked, as an edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proxy.exchange.observation import Source
from proxy.sluice import edits
from proxy.sluice.edits import Edit

Written = tuple[Edit, Source | None]
"""The edit, and what reads no longer come from afterwards: the source whose old value is gone (of the response: the
observation), None when some of it remains."""


def _attribute(attribute: str, check: Callable[[Any], Any]) -> Callable[[Any], Written]:
    source: Source = (attribute, "")
    return lambda value: ((edits.set_attribute, (attribute, check(value))), source)


_authority = _attribute("authority", edits.checked_authority)


def _set_header(header: str, value: str) -> Written:
    if header.lower() == "host":
        return _authority(value)
    line = edits.header_line(header, value)
    return (edits.set_header, line), edits.header_source(line[0])


def _append_header(header: str, value: str) -> Written:
    line = edits.header_line(header, value)
    if line[0] == b"host":
        raise edits.Refused("a request has one host: set it, do not append to it (RFC 9110 §7.2)")
    # What was there stays part of what is read later: nothing is replaced.
    return (edits.append_header, line), None


def _remove_header(header: str) -> Written:
    key = edits.header_name(header)
    if key == b"host":
        raise edits.Refused("a request needs its host (RFC 9110 §7.2)")
    return (edits.remove_header, (key,)), edits.header_source(key)


def _set_note(note: str, value: str) -> Written:
    return (edits.set_note, (note, value)), ("note", note)


def _set_status(code: int) -> Written:
    return (edits.set_status, (edits.status(code),)), ("response.status", "")


def _set_response_header(header: str, value: str) -> Written:
    line = edits.header_line(header, value)
    return (edits.set_header, line), ("response.header", line[0].decode())


def _append_response_header(header: str, value: str) -> Written:
    return (edits.append_header, edits.header_line(header, value)), None


def _remove_response_header(header: str) -> Written:
    key = edits.header_name(header)
    return (edits.remove_header, (key,)), ("response.header", key.decode())


def _tag(tag: str) -> Written:
    return (edits.add_tag, (tag,)), None


REQUEST: Mapping[str, Callable[..., Written]] = {
    "set-method": _attribute("method", edits.checked_method),
    "set-authority": _authority,
    "set-path": _attribute("path", edits.checked_path),
    "set-query": _attribute("query", edits.checked_query),
    "set-header": _set_header,
    "append-header": _append_header,
    "remove-header": _remove_header,
    "set-note": _set_note,
}

RESPONSE: Mapping[str, Callable[..., Written]] = {
    "set-status": _set_status,
    "set-header": _set_response_header,
    "append-header": _append_response_header,
    "remove-header": _remove_response_header,
    "tag": _tag,
}

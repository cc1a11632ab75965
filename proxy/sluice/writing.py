"""What each setter of `sluice:filter` writes: its arguments, checked, as an edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proxy.sluice import checks
from proxy.sluice.edits import AddTag, AppendHeader, Edit, RemoveHeader, SetAttribute, SetHeader, SetNote, SetStatus


def _attribute(attribute: str, check: Callable[[Any], Any]) -> Callable[[Any], Edit]:
    return lambda value: SetAttribute(attribute, check(value))


_authority = _attribute("authority", checks.authority)


def _set_header(header: str, value: str) -> Edit:
    if header.lower() == "host":
        return _authority(value)
    line = checks.header_line(header, value)
    return SetHeader(line, checks.header_source(line[0]))


def _append_header(header: str, value: str) -> Edit:
    line = checks.header_line(header, value)
    if line[0] == b"host":
        raise checks.Refused("a request has one host: set it, do not append to it (RFC 9110 §7.2)")
    return AppendHeader(line)


def _remove_header(header: str) -> Edit:
    key = checks.header_name(header)
    if key == b"host":
        raise checks.Refused("a request needs its host (RFC 9110 §7.2)")
    return RemoveHeader(key, checks.header_source(key))


def _set_status(code: int) -> Edit:
    return SetStatus(checks.status(code))


def _set_response_header(header: str, value: str) -> Edit:
    line = checks.header_line(header, value)
    return SetHeader(line, ("response.header", line[0].decode()))


def _append_response_header(header: str, value: str) -> Edit:
    return AppendHeader(checks.header_line(header, value))


def _remove_response_header(header: str) -> Edit:
    key = checks.header_name(header)
    return RemoveHeader(key, ("response.header", key.decode()))


REQUEST: Mapping[str, Callable[..., Edit]] = {
    "set-method": _attribute("method", checks.method),
    "set-authority": _authority,
    "set-path": _attribute("path", checks.path),
    "set-query": _attribute("query", checks.query),
    "set-header": _set_header,
    "append-header": _append_header,
    "remove-header": _remove_header,
    "set-note": SetNote,
}

RESPONSE: Mapping[str, Callable[..., Edit]] = {
    "set-status": _set_status,
    "set-header": _set_response_header,
    "append-header": _append_response_header,
    "remove-header": _remove_response_header,
    "tag": AddTag,
}

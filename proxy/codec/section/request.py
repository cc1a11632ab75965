"""Header sections as requests (RFC 9113 §8.3.1, RFC 9114 §4.3.1), and what is refused of them.

Whatever an HTTP/1.1 origin, or a proxy before it, could read as another request than we do is malformed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from proxy import errors
from proxy.codec.events import RequestHead
from proxy.codec.hpack.decoder import Entry
from proxy.codec.limits import Limits
from proxy.codec.section.kinds import (
    AUTHORITY,
    CONTENT_LENGTH,
    COOKIE,
    DROPPED,
    EXPECT,
    HOST,
    METHOD,
    PATH,
    PLAIN,
    SCHEME,
    TE,
    Kind,
    Run,
    cookie,
)
from proxy.errors import ProxyError
from proxy.http import framing, target
from proxy.http.fields import Fields, Line
from proxy.http.syntax import is_token

_METHOD = re.compile(rb"[A-Z][A-Z-]{0,31}")
_PATH = re.compile(rb'(/[!"$->@-~]*)(?:\?([!"$-~]*))?')
"""As a request line may have it: visible ASCII, no fragment; and in origin form only."""

_LONGEST_KNOWN = 256
"""Bytes of a path whose parts are kept: many clients ask for the same ones."""

_USUAL: dict[bytes | None, str] = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}

_REFUSED = {
    "CONNECT": "a gateway is no tunnel",
    "TRACE": "its answer would show fields that other parties rely on staying hidden (RFC 9110 §9.3.8)",
}


class Malformed(Exception):
    """Not a request (RFC 9113 §8.1.1, RFC 9114 §4.1.2)."""


def request_head(entries: Sequence[Entry[Kind]], stream: int, end: bool, limits: Limits, version: str) -> RequestHead:
    """end: no body follows. Raises Malformed, or ProxyError when there is something to answer."""
    lines: list[Line] = []
    pseudo: list[bytes | None] = [None] * 12
    special: list[tuple[int, bytes]] = []
    run: Run | None = None
    for line, kind, _ in entries:
        if kind == PLAIN:
            lines.append(line)
        elif kind.__class__ is str:
            raise Malformed(kind)
        elif kind.__class__ is Run:
            run = kind
        elif kind >= METHOD:  # type: ignore[operator]
            if lines or special or pseudo[kind] is not None:  # type: ignore[index]
                raise Malformed(f"{line[0]!r} twice, or behind a field")
            pseudo[kind] = line[1]  # type: ignore[index]
        else:
            special.append((kind, line[1]))  # type: ignore[arg-type]
    if run is not None:
        for which, value in run.pseudo:
            if lines or special or pseudo[which] is not None:
                return request_head(singly(entries), stream, end, limits, version)  # which says what is wrong
            pseudo[which] = value
        if lines or special:
            return request_head(singly(entries), stream, end, limits, version)
    named = pseudo[AUTHORITY]
    length = 0 if end else None
    if len(special) == 1 and special[0][0] == COOKIE:
        lines.append((b"cookie", special[0][1]))
    elif special:
        named, length = _special(special, lines, named, end)
    fields = Fields(lines if run is None else run.fixed)
    if len(fields.lines) > limits.field_lines:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"more than {limits.field_lines} field lines", status=431)
    method = _USUAL.get(pseudo[METHOD]) or _method(pseudo[METHOD])
    if pseudo[SCHEME] not in (b"https", b"http"):
        raise Malformed("the scheme is neither http nor https")
    if named is None:
        raise Malformed("no authority")
    path, query = _target(method, pseudo[PATH], limits)
    if length is not None and limits.body is not None and length > limits.body:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"body is longer than {limits.body} bytes", status=413)
    try:
        authority = target.authority(named)
    except ProxyError as error:
        raise Malformed(error.detail) from None
    return RequestHead(method, authority, path, query, fields, length, version, True, stream)


def singly(entries: Sequence[Entry[Kind]]) -> Sequence[Entry[Kind]]:
    """With the lines of a run, which is the last of them, one by one."""
    run = entries[-1][1] if entries else None
    return [*entries[:-1], *run.entries] if isinstance(run, Run) else entries


def _method(method: bytes | None) -> str:
    if method is None or not is_token(method):
        raise Malformed("no method, or not a token")
    name = method.decode()
    if name in _REFUSED:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"{name} is refused: {_REFUSED[name]}", status=501)
    if not _METHOD.fullmatch(method):
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "unknown method", status=501)
    return name


def _target(method: str, path: bytes | None, limits: Limits) -> tuple[str, str | None]:
    if path is not None and len(path) > limits.request_line:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"path is longer than {limits.request_line} bytes", status=414)
    if path is not None:
        parts = _known_parts(path) if len(path) <= _LONGEST_KNOWN else _parts(path)
        if parts is not None:
            return parts
    if method == "OPTIONS" and path == b"*":
        return "*", None
    raise Malformed("the path is not one")


def _parts(path: bytes) -> tuple[str, str | None] | None:
    """Path and query; None when it is not in origin form."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    before, query = match.groups()
    return before.decode(), None if query is None else query.decode()


_known_parts = lru_cache(maxsize=1024)(_parts)


def _special(
    special: list[tuple[int, bytes]], lines: list[Line], named: bytes | None, end: bool
) -> tuple[bytes | None, int | None]:
    """Puts those that stay to the lines. Returns the authority and the length of the body."""
    by_kind: dict[int, list[bytes]] = {}
    for kind, value in special:
        by_kind.setdefault(kind, []).append(value)
    length: int | None = 0 if end else None
    for kind, values in by_kind.items():
        if kind == COOKIE:
            lines.append(cookie(values))
        elif kind == HOST:
            if len(values) > 1 or (named is not None and values[0].lower() != named.lower()):
                raise Malformed("host and :authority name different authorities")
            named = values[0]
        elif kind == CONTENT_LENGTH:
            length = _length(values, end)
            lines.append((b"content-length", values[0]))
        elif kind == TE:
            lines.append((b"te", b"trailers"))
        elif kind == EXPECT:
            if [value.lower() for value in values] != [b"100-continue"]:
                detail = "an expectation other than 100-continue"
                raise ProxyError(errors.HTTP_REQUEST_ERROR, detail, status=417)
            lines.append((b"expect", values[0]))
        elif kind == DROPPED:
            pass
    return named, length


def _length(values: list[bytes], end: bool) -> int:
    if len(values) > 1:
        raise Malformed("more than one content-length")
    try:
        length = framing.content_length(values[0])
    except ProxyError as error:
        raise Malformed(error.detail) from None
    if end and length:
        raise Malformed("a content-length without a body")
    return length


def trailers(entries: Sequence[Entry[Kind]]) -> Fields | None:
    """Raises Malformed."""
    lines: list[Line] = []
    for line, kind, _ in entries:
        if kind.__class__ is str:
            raise Malformed(kind)
        if kind >= METHOD:  # type: ignore[operator]
            raise Malformed(f"{line[0]!r} in the trailers")
        lines.append(line)
    return framing.trailers(lines)

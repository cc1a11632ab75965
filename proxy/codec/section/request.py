"""Header sections as requests (RFC 9113 §8.3.1, RFC 9114 §4.3.1), and what is refused of them.

Whatever an HTTP/1.1 origin, or a proxy before it, could read as another request than we do is malformed here.
"""

from __future__ import annotations

import re

from proxy import errors
from proxy.codec.events import RequestHead
from proxy.codec.hpack.decoder import Entry
from proxy.codec.limits import Limits
from proxy.codec.section.kinds import (
    CONTENT_LENGTH,
    COOKIE,
    DROPPED,
    EXPECT,
    HOST,
    METHOD,
    PLAIN,
    TE,
    Pseudo,
    Run,
    cookie,
)
from proxy.errors import ProxyError
from proxy.http import framing, target
from proxy.http.fields import Fields, Line
from proxy.http.syntax import is_token

_METHOD = re.compile(rb"[A-Z][A-Z-]{0,31}")
_REFUSED = {
    "CONNECT": "a gateway is no tunnel",
    "TRACE": "its answer would show fields that other parties rely on staying hidden (RFC 9110 §9.3.8)",
}


class Malformed(Exception):
    """Not a request (RFC 9113 §8.1.1, RFC 9114 §4.1.2)."""


def request_head(entries: list[Entry], stream: int, end: bool, limits: Limits, version: str) -> RequestHead:
    """end: no body follows. Raises Malformed, or ProxyError when there is something to answer."""
    lines: list[Line] = []
    pseudo: list[Pseudo | None] = [None, None, None, None]  # by kind, from METHOD on
    special: list[Entry] = []
    run: Run | None = None
    for entry in entries:
        if isinstance(entry, Pseudo):
            if lines or special or pseudo[entry.kind - METHOD] is not None:
                raise Malformed(f"{entry.line[0]!r} twice, or behind a field")
            pseudo[entry.kind - METHOD] = entry
        elif isinstance(entry, Run):
            run = entry
        elif entry.wrong is not None:
            raise Malformed(entry.wrong)
        elif entry.kind == PLAIN:
            lines.append(entry.line)
        else:
            special.append(entry)
    if run is not None:
        if lines or special:
            return request_head(singly(entries), stream, end, limits, version)
        for each in run.pseudo:
            if pseudo[each.kind - METHOD] is not None:
                return request_head(singly(entries), stream, end, limits, version)  # which says what is wrong
            pseudo[each.kind - METHOD] = each
    method, scheme, named, path = pseudo
    host: bytes | None = None
    length = 0 if end else None
    if special:
        host, length = _special(special, lines, None if named is None else named.line[1], end)
    fields = Fields(lines if run is None else run.fixed)
    if len(fields.lines) > limits.field_lines:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"more than {limits.field_lines} field lines", status=431)
    asked = (method and method.text) or _method(method)
    if scheme is None or scheme.text is None:
        raise Malformed("the scheme is neither http nor https")
    authority = (named and named.text) or _authority(named.line[1] if named is not None else host)
    if path is None or path.text is None or len(path.line[1]) > limits.request_line:
        on, query = _unusual(asked, path, limits), None
    else:
        on, query = path.text, path.query
    if length is not None and limits.body is not None and length > limits.body:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"body is longer than {limits.body} bytes", status=413)
    return RequestHead(asked, authority, on, query, fields, length, version, True, stream)


def singly(entries: list[Entry]) -> list[Entry]:
    """With the lines of a run, which is the last of them, one by one."""
    run = entries[-1] if entries else None
    return [*entries[:-1], *run.entries] if isinstance(run, Run) else entries


def _method(method: Pseudo | None) -> str:
    if method is None or not is_token(method.line[1]):
        raise Malformed("no method, or not a token")
    name = method.line[1].decode()
    if name in _REFUSED:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"{name} is refused: {_REFUSED[name]}", status=501)
    if not _METHOD.fullmatch(method.line[1]):
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "unknown method", status=501)
    return name


def _authority(named: bytes | None) -> str:
    if named is None:
        raise Malformed("no authority")
    try:
        return target.authority(named)
    except ProxyError as error:
        raise Malformed(error.detail) from None


def _unusual(method: str, path: Pseudo | None, limits: Limits) -> str:
    """A target that is longer than one may be, or not in origin form."""
    if path is not None and len(path.line[1]) > limits.request_line:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, f"path is longer than {limits.request_line} bytes", status=414)
    if path is None or method != "OPTIONS" or path.line[1] != b"*":
        raise Malformed("the path is not one")
    return "*"


def _special(
    special: list[Entry], lines: list[Line], named: bytes | None, end: bool
) -> tuple[bytes | None, int | None]:
    """Puts those that stay to the lines. Returns the authority that `host` names and the length of the body."""
    by_kind: dict[int, list[bytes]] = {}
    for entry in special:
        by_kind.setdefault(entry.kind, []).append(entry.line[1])
    host: bytes | None = None
    length: int | None = 0 if end else None
    for kind, values in by_kind.items():
        if kind == COOKIE:
            lines.append(cookie(values))
        elif kind == HOST:
            if len(values) > 1 or (named is not None and values[0].lower() != named.lower()):
                raise Malformed("host and :authority name different authorities")
            host = values[0]
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
    return host, length


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


def trailers(entries: list[Entry]) -> Fields | None:
    """Raises Malformed."""
    lines: list[Line] = []
    for entry in entries:
        if entry.wrong is not None:
            raise Malformed(entry.wrong)
        if entry.kind >= METHOD:
            raise Malformed(f"{entry.line[0]!r} in the trailers")
        lines.append(entry.line)
    return framing.trailers(lines)

"""Where a message ends (RFC 9112 §6): strict, as two opinions about it are a smuggled request."""

from __future__ import annotations

import re

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Fields, Line

_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")

_NOT_IN_TRAILERS = frozenset((
    b"authorization", b"cache-control", b"client-cert", b"client-cert-chain", b"connection", b"content-encoding",
    b"content-length", b"content-range", b"content-type", b"cookie", b"expect", b"host", b"keep-alive",
    b"max-forwards", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"range", b"set-cookie",
    b"te", b"trailer", b"transfer-encoding", b"upgrade",
))  # fmt: skip
"""RFC 9110 §6.5.1: framing, routing, modifiers, authentication and content format do not come after the content. Nor
does a proxy say there who its client is (RFC 9440 §2)."""


def content_length(value: bytes) -> int:
    """The number in a Content-Length field. ProxyError with status 400 for a list, a sign, a leading zero, …"""
    if _LENGTH.fullmatch(value) is None:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "Content-Length is not a number")
    return int(value)


def request_length(version: str, lengths: list[bytes], codings: list[bytes]) -> int | None:
    """Bytes of a request's body by its Content-Length and Transfer-Encoding lines; None when it is chunked.

    Raises ProxyError with status 400, or 501 for a transfer coding other than chunked (RFC 9112 §6.1).
    """
    if not codings:
        if not lengths:
            return 0
        if len(lengths) > 1:
            raise ProxyError(errors.HTTP_REQUEST_ERROR, "more than one Content-Length")
        return content_length(lengths[0])
    if lengths:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "both Content-Length and Transfer-Encoding")
    if version == "1.0":
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "Transfer-Encoding in an HTTP/1.0 request")
    coding = b", ".join(codings).lower()
    if coding != b"chunked":
        known = coding.endswith(b", chunked") and b"chunked" not in coding[: -len(b"chunked")]
        status = 501 if known else 400
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "Transfer-Encoding is not chunked alone", status=status)
    return None


def response_has_body(method: str, status: int) -> bool:
    """RFC 9112 §6.3: not in an answer to HEAD, nor a 1xx, 204 or 304."""
    return method != "HEAD" and status >= 200 and status not in (204, 304)


def announced_length(status: int, fields: Fields) -> bytes | None:
    """The `content-length` that an answer without a body keeps, where one is allowed (RFC 9110 §8.6, §9.3.2)."""
    announced = fields.get(b"content-length")
    return announced if announced is not None and status != 204 and _LENGTH.fullmatch(announced) else None


def trailers(lines: list[Line]) -> Fields | None:
    """What of a trailer section may be passed on; None when there is nothing."""
    kept = [line for line in lines if line[0] not in _NOT_IN_TRAILERS]
    return Fields(kept) if kept else None


def of_response(
    method: str, version: str, status: int, fields: Fields, length: int | None, keep_alive: bool
) -> tuple[list[bytes], bool, bool, bool]:
    """How to send a response over HTTP/1.x: (lines, has_body, chunked, keep_alive).

    version: that of the request. length: of the body, None when only its end tells. keep_alive: the connection may go
    on; whether it does is returned. lines: what is to stand in the head about where the response ends and whether the
    connection goes on. has_body: the body is sent at all. chunked: in chunks.
    """
    lines: list[bytes] = []
    chunked = False
    has_body = response_has_body(method, status)
    if not has_body:
        if (announced := announced_length(status, fields)) is not None:
            lines.append(b"content-length: " + announced)
    elif length is not None:
        lines.append(b"content-length: %d" % length)
    elif version == "1.0":
        keep_alive = False
    else:
        lines.append(b"transfer-encoding: chunked")
        chunked = True
    if not keep_alive:
        lines.append(b"connection: close")
    elif version == "1.0":
        lines.append(b"connection: keep-alive")
    return lines, has_body, chunked, keep_alive

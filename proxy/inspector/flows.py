"""Between mitmproxy's flows and our messages."""

from __future__ import annotations

import secrets
import time

from mitmproxy import http

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.http.hop_by_hop import end_to_end
from proxy.http.status import reason
from proxy.http.syntax import is_authority, is_field_value, is_path, is_query, is_token

_NO_CONTENT = frozenset((204, 304))


def request_of(flow: http.HTTPFlow) -> Request:
    """The request as a listener of ours would have got it. Raises ProxyError (http_request_error) where none would."""
    asked = flow.request
    path, mark, query = asked.path.partition("?")
    scheme = "https" if flow.client_conn.tls_established or asked.scheme == "https" else "http"
    authority = (asked.host_header or asked.pretty_host).lower()
    fields = Fields(
        (name.lower(), value.strip(b" \t")) for name, value in asked.headers.fields if name.lower() != b"host"
    )
    if (
        not is_token(asked.method.encode())
        or not is_authority(authority)
        or not (is_path(path) or path == "*")
        or not is_query(query)
        or not all(is_token(name) and is_field_value(value) for name, value in fields.lines)
    ):
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "that is not a request", status=400)
    fields.lines = end_to_end(fields.lines)
    peer = flow.client_conn.peername
    exchange = Exchange(
        f"flow-{secrets.token_hex(4)}",
        peer[0] if peer else "127.0.0.1",
        asked.timestamp_start or time.time(),
    )
    body = asked.raw_content or b""
    return Request(asked.method, scheme, authority, path, query if mark else None, fields, exchange, body)


def flow_response(method: str, response: Response, body: bytes) -> http.Response:
    """As mitmproxy sends it. body: all of the response's."""
    fields = response.fields.copy()
    if method != "HEAD" and response.status not in _NO_CONTENT:
        fields.set(b"content-length", b"%d" % len(body))
    now = time.time()
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=response.status,
        reason=reason(response.status).encode(),
        headers=http.Headers(fields.lines),
        content=body,
        trailers=None,
        timestamp_start=now,
        timestamp_end=now,
    )


def response_of(answer: http.Response) -> Response:
    """What an origin answered, whole."""
    lines = [(name.lower(), value.strip(b" \t")) for name, value in answer.headers.fields]
    body = answer.raw_content or b""
    fields = Fields()
    fields.lines = [line for line in end_to_end(lines) if line[0] != b"content-length"]
    if answer.status_code not in _NO_CONTENT:
        fields.append(b"content-length", b"%d" % len(body))
    return Response(answer.status_code, fields, body)

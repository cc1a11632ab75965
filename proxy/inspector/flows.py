"""Between mitmproxy's flows and our messages."""

from __future__ import annotations

import secrets
import time

from mitmproxy import connection, http

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.http.hop_by_hop import end_to_end
from proxy.http.status import reason
from proxy.http.syntax import is_authority, is_field_value, is_path, is_query, is_token
from proxy.inspector.record import Answer, Asked, Lines, Record, origin_from_json, origin_to_json

ORIGIN = "sluice-origin"
"""Where a flow's metadata has what the origin was asked and answered."""

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


def record_of(flow: http.HTTPFlow) -> Record | None:
    """None for what is no exchange: no answer came, or it is not HTTP. Where nothing says what the origin was asked,
    the answer is the origin's: such a flow was recorded in front of it, or by a browser."""
    if flow.response is None or flow.response.status_code < 200 or flow.request.method == "CONNECT":
        return None
    request, response = flow.request, flow.response
    lines = _lines(request.headers)
    authority = next((value for name, value in lines if name in (":authority", "host")), request.pretty_host)
    asked = Asked(
        request.method,
        f"{request.scheme}://{authority.lower()}{request.path}",
        [line for line in lines if not line[0].startswith(":") and line[0] != "host"],
        request.raw_content,
    )
    answer = Answer(
        response.status_code, [line for line in _lines(response.headers) if line[0][:1] != ":"], response.raw_content
    )
    known = flow.metadata.get(ORIGIN)
    peer = flow.client_conn.peername
    return Record(
        peer[0] if peer else "127.0.0.1",
        request.timestamp_start or 0.0,
        "",
        asked,
        None if known is None else answer,
        [(asked, answer)] if known is None else origin_from_json(known),
    )


def flow_of(record: Record) -> http.HTTPFlow:
    """For flow files and HAR."""
    client = connection.Client(peername=(record.client, 0), sockname=("127.0.0.1", 0), timestamp_start=record.started)
    flow = http.HTTPFlow(client, connection.Server(address=None))
    headers = http.Headers([(name.encode("latin-1"), value.encode("latin-1")) for name, value in record.asked.lines])
    authority = record.asked.url.partition("://")[2].partition("/")[0].partition("?")[0]
    headers.insert(0, "host", authority)
    flow.request = http.Request.make(record.asked.method, record.asked.url, record.asked.body or b"", headers)
    flow.request.timestamp_start = flow.request.timestamp_end = record.started
    if record.answer is not None:
        flow.response = http.Response(
            http_version=b"HTTP/1.1",
            status_code=record.answer.status,
            reason=reason(record.answer.status).encode(),
            headers=http.Headers([(n.encode("latin-1"), v.encode("latin-1")) for n, v in record.answer.lines]),
            content=record.answer.body,
            trailers=None,
            timestamp_start=record.started,
            timestamp_end=record.started,
        )
    flow.comment = record.route
    flow.metadata[ORIGIN] = origin_to_json(record.origin)
    return flow


def _lines(headers: http.Headers) -> Lines:
    return [(name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")) for name, value in headers.fields]

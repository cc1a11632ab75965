"""Parts of responses."""

from __future__ import annotations

from proxy import errors
from proxy.codec.chunked import encode_chunk, encode_last_chunk
from proxy.codec.http1_response import encode_head
from proxy.downstream.output import Output
from proxy.errors import ProxyError
from proxy.exchange import Response, Stream
from proxy.http.fields import Line
from proxy.http.proxy_status import proxy_status
from proxy.http.status import reason


def refusal(error: ProxyError) -> tuple[list[Line], bytes]:
    """What is answered to what is no request, or came to nothing: fields and content."""
    text = f"{error.status} {reason(error.status)}: {error.detail}\n".encode()
    return [(b"content-type", b"text/plain; charset=utf-8"), (b"proxy-status", proxy_status(error))], text


def with_alternative(response: Response, line: Line) -> Response:
    """Says where else we are to be had (RFC 7838 §3), unless it says so already."""
    if line[0] in response.fields:
        return response
    told = response.copy()
    told.fields.append(*line)
    return told


def bare(error: ProxyError, date: bytes) -> bytes:
    """A `refusal` as the last answer of an HTTP/1.1 connection."""
    lines, text = refusal(error)
    return encode_head(error.status, lines, date, [b"content-length: %d" % len(text), b"connection: close"]) + text


async def send_stream(out: Output, body: Stream, chunked: bool) -> None:
    """Write a body as fast as the client takes it. Raises ProxyError when it broke, or was not as long as announced:
    then only the end of the connection can tell the client (RFC 9112 §8)."""
    left = body.length
    while piece := await body.read():
        if left is not None:
            if len(piece) > left:
                out.write(piece[:left])
                raise ProxyError(errors.HTTP_RESPONSE_BODY_SIZE, "the body is longer than announced")
            left -= len(piece)
        out.write(encode_chunk(piece) if chunked else piece)
        if out.paused:
            await out.ready()
    if left:
        raise ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, f"the body is {left} bytes shorter than announced")
    if chunked:
        out.write(encode_last_chunk(body.trailers))


async def send_unframed(out: Output, body: Stream) -> None:
    """`send_stream` of a body that the end of the connection ends (RFC 9112 §6.3), as only HTTP/1.0 clients get it. An
    end before its time must not look like one, so it is a reset."""
    out.end_by_reset()
    await send_stream(out, body, chunked=False)
    await out.end_in_order()

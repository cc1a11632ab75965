"""A service of wasi:http 0.3 in Python: says what it was asked, then gives the body back as it comes."""

import json

import componentize_py_async_support
import wit_world
from componentize_py_async_support.streams import ByteStreamReader, ByteStreamWriter
from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.wasi_http_types import Fields, Method_Other, Request, Response

CHUNK = 64 * 1024
JSON = [("content-type", b"application/json")]


class Handler(exports.Handler):
    async def handle(self, request: Request) -> Response:
        asked = {
            "method": name(request.get_method()),
            "path": request.get_path_with_query(),
            "greeting": b", ".join(request.get_headers().get("x-greeting")).decode(),
        }
        _, done = wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))
        content, _ = Request.consume_body(request, done)
        writer, body = wit_world.byte_stream()
        _, trailers = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))
        response, _ = Response.new(Fields.from_list(JSON), body, trailers)
        componentize_py_async_support.spawn(
            echo(json.dumps(asked, separators=(",", ":")).encode() + b"\n", content, writer)
        )
        return response


def name(method: object) -> str:
    """GET, say."""
    if isinstance(method, Method_Other):
        return method.value
    return type(method).__name__.removeprefix("Method_").upper()


async def echo(first: bytes, content: ByteStreamReader, writer: ByteStreamWriter) -> None:
    with content, writer:
        await writer.write_all(first)
        while not content.writer_dropped:
            await writer.write_all(await content.read(CHUNK))

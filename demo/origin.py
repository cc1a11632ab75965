"""The demo's origin: a small shop, on the standard library alone. `python origin.py PORT` serves on 127.0.0.1.

Static files come from `site/`; the rest shows what an origin can do to a cache: a page that varies, one that is
slow, one that says nothing about caching, JSON, an echo of what is posted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

SITE = Path(__file__).parent / "site"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".svg": "image/svg+xml"}
MAX_BODY = 1 << 20


@dataclass
class Request:
    """Header names are lower case; of repeated fields the last."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Response:
    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


Page = Callable[[Request], Awaitable[Response]]


async def home(request: Request) -> Response:
    """Comes in two designs, chosen by a field that the proxy's ab-split filter sets."""
    design = "b" if request.headers.get("x-design") == "b" else "a"
    page = (SITE / "index.html").read_text().replace('class="design"', f'class="design-{design}"')
    headers = {"content-type": TYPES[".html"], "cache-control": "max-age=60", "vary": "X-Design"}
    return Response(page.encode(), headers=headers)


async def products(_: Request) -> Response:
    goods = [{"id": 1, "name": "Sluice boots", "price": 89}, {"id": 2, "name": "Lock keeper's hat", "price": 34}]
    headers = {"content-type": "application/json", "cache-control": "max-age=30", "etag": '"products-1"'}
    return Response(json.dumps(goods).encode(), headers=headers)


async def slow(_: Request) -> Response:
    await asyncio.sleep(2)
    return _text(f"This took two seconds, at {time.strftime('%X')}.\n", {"cache-control": "max-age=60"})


async def silent(_: Request) -> Response:
    """Says nothing about caching: the `ttl` of the cache stage decides."""
    return _text(f"It was {time.strftime('%X')} when I was asked.\n", {})


async def private(_: Request) -> Response:
    return _text(f"For you alone, at {time.strftime('%X')}.\n", {"cache-control": "private, no-store"})


async def echo(request: Request) -> Response:
    if request.method != "POST":
        return Response(b"POST something here\n", HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "POST"})
    return Response(request.body, headers={"content-type": "application/octet-stream"})


async def static(request: Request) -> Response:
    file = (SITE / request.path.lstrip("/")).resolve()
    if not file.is_relative_to(SITE) or not file.is_file():
        return Response(b"not here\n", HTTPStatus.NOT_FOUND, {"content-type": "text/plain"})
    headers = {"content-type": TYPES.get(file.suffix, "application/octet-stream"), "cache-control": "max-age=300"}
    return Response(file.read_bytes(), headers=headers)


PAGES: dict[str, Page] = {
    "/": home,
    "/api/products": products,
    "/slow": slow,
    "/silent": silent,
    "/private": private,
    "/echo": echo,
}


def _text(text: str, headers: dict[str, str]) -> Response:
    return Response(text.encode(), headers={"content-type": "text/plain; charset=utf-8", **headers})


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The next request of the connection. Raises IncompleteReadError when the client has closed it, ValueError
    for what it does not understand: its only client is the proxy."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "chunked" in headers.get("transfer-encoding", ""):
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(_bounded(int(headers.get("content-length", "0"))))
    return Request(method, target.partition("?")[0], headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(_bounded(len(body) + size) - len(body))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return body


def _bounded(size: int) -> int:
    if not 0 <= size <= MAX_BODY:
        raise ValueError("body too long")
    return size


def head_of(response: Response) -> bytes:
    headers = {**response.headers, "server": "demo-origin", "content-length": str(len(response.body))}
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "\r\n"]).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while True:
            request = await read_request(reader)
            response = await PAGES.get(request.path, static)(request)
            print(f"origin: {request.method} {request.path} {response.status.value}", flush=True)
            writer.write(head_of(response) + (b"" if request.method == "HEAD" else response.body))
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        pass  # gone, or not speaking HTTP as the proxy does
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))

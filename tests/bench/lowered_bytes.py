"""What an exchange copies into the memory of a `wasi:http` 0.3 middleware, and out of it.

    python -m tests.bench.lowered_bytes

Strings and lists, lowered into memory that the guest's `cabi_realloc` gives, are what lazy lowering would replace;
bytes of bodies are copied once in any case. The request has the fields of a browser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from proxy.component.instance import Context
from proxy.component.tasks.buffer import GuestBuffer
from proxy.exchange import Exchange, Request, Response, collect
from proxy.http.fields import Fields
from tests.stages.test_handle import stage

REQUEST = [
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"de,en-US;q=0.7,en;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://site.example/products/shoes?page=3"),
    (b"cookie", b"session=" + b"0123456789abcdef" * 4 + b"; consent=all; theme=dark"),
    (b"upgrade-insecure-requests", b"1"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
    (b"priority", b"u=0, i"),
    (b"if-none-match", b'"5f3c8a7e-1a2b"'),
]
RESPONSE = [(b"content-type", b"text/html"), (b"cache-control", b"max-age=300"), (b"etag", b'"5f3c8a7e-1a2b"')]
BODY = b"<p>content</p>" * 1000
TARGETS = {
    "/pass": "hands request and response on",
    "/get?x-none": "reads one field, sets one of the response",
    "/copy": "copies all fields (copy-all)",
    "/upper": "rewrites the body",
}


@dataclass
class Copied:
    """Bytes, and how many allocations of the guest's they took."""

    lowered: int = 0
    allocations: int = 0
    read: int = 0
    written: int = 0


def main() -> None:
    print(f"{'path':14}{'lowered':>9}{'allocations':>13}{'body in':>9}{'body out':>10}   what it does")
    for target, what in TARGETS.items():
        copied = asyncio.run(_exchange(target))
        print(f"{target:14}{copied.lowered:9,}{copied.allocations:13,}{copied.read:9,}{copied.written:10,}   {what}")


async def _exchange(target: str) -> Copied:
    copied = Copied()

    async def below(_: Request) -> Response:
        return Response(200, Fields(RESPONSE), BODY)

    path, mark, query = target.partition("?")
    asked = Request("GET", "http", "site.example", path, query if mark else None, Fields(REQUEST), Exchange("id"), b"")
    with _counting(copied):
        response = await stage()(asked, below)
        await collect(response.body, 1 << 20)
    return copied


@contextmanager
def _counting(copied: Copied) -> Iterator[None]:
    def before(function: Any, count: Callable[..., None]) -> Callable[..., Any]:
        def counted(this: Any, *arguments: Any) -> Any:
            count(this, *arguments)
            return function(this, *arguments)

        return counted

    def one(_: Context, alignment: int, size: int) -> None:
        many(_, [size])

    def many(_: Context, sizes: list[int]) -> None:
        copied.lowered += sum(sizes)
        copied.allocations += len(sizes)

    def wrote(buffer: GuestBuffer, elements: Any, count: int) -> None:
        copied.read += _size(buffer, count)

    def took(buffer: GuestBuffer, count: int) -> None:
        copied.written += _size(buffer, count)

    with (
        patch.object(Context, "realloc", before(Context.realloc, one)),
        patch.object(Context, "_realloc_many", before(Context._realloc_many, many)),
        patch.object(GuestBuffer, "write", before(GuestBuffer.write, wrote)),
        patch.object(GuestBuffer, "read", before(GuestBuffer.read, took)),
    ):
        yield


def _size(buffer: GuestBuffer, count: int) -> int:
    element = buffer._element
    return count if element.load is None and element.kind is not None else 0


if __name__ == "__main__":
    main()

"""edge-include, a middleware of wasi:http 0.3, in a whole proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.site import Answer, Asked, ok, serving, site
from tests.listening import listening

BUILT = Path(__file__).parents[2] / "filters" / "http" / "built" / "edge-include.wasm"
PAGE = b'<h1>a</h1><!--#include "/menu?x=1"--><p>b</p><!--#include "/none"-->c'
HTML = ("content-type: text/html; charset=utf-8", 'etag: "1"')


def fragment(asked: Asked) -> bytes:
    return ok(b"<ul>menu</ul>") if asked.target == "/menu?x=1" else b"HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\nno"


def through(directory: Path, answer: bytes, chain: list[dict[str, object]] | None = None) -> tuple[Answer, list[str]]:
    """What comes of an answer of the origin, and what fragments were asked for."""

    async def running() -> tuple[Answer, list[str]]:
        asked: list[Asked] = []
        async with listening(serving(asked, fragment)) as port:
            origin = f"127.0.0.1:{port}"
            grants = [{"http": [f"http://{origin}"]}, {"environment": {"INCLUDE_FROM": origin}}]
            include = {"component": str(BUILT), "grants": grants}
            stages = chain or [{"filter": "include"}]
            async with site(directory, answer, chain=stages, filters={"include": include}) as proxy:
                await proxy.get("/")
                page = await proxy.get("/")
        return page, [each.target for each in asked]

    return asyncio.run(running())


def test_fragments_take_the_place_of_directives(tmp_path: Path) -> None:
    page, asked = through(tmp_path, ok(PAGE, *HTML))
    assert page.body == b"<h1>a</h1><ul>menu</ul><p>b</p>c"
    assert (page.header("etag"), page.header("content-length")) == (None, None)
    assert asked == ["/menu?x=1", "/none"] * 2


@pytest.mark.parametrize("answer", [ok(PAGE, "content-type: text/plain"), ok(PAGE)])
def test_what_is_no_page_is_left_alone(tmp_path: Path, answer: bytes) -> None:
    page, asked = through(tmp_path, answer)
    assert (page.body, asked) == (PAGE, [])


def test_a_cache_above_keeps_the_page_whole(tmp_path: Path) -> None:
    """The middleware read nothing of the request, so one entry serves everybody."""
    chain: list[dict[str, object]] = [{"cache": {"name": "pages", "ttl": "60s"}}, {"filter": "include"}]
    page, asked = through(tmp_path, ok(PAGE, *HTML), chain)
    assert page.body == b"<h1>a</h1><ul>menu</ul><p>b</p>c"
    assert page.header("cache-status") == "pages; hit; ttl=60"
    assert asked == ["/menu?x=1", "/none"]

"""`/explain` and `/record` of a running proxy, over sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.inspector.record import Record, from_json, to_json
from proxy.telemetry import REDACTED
from tests.integration.site import Answer, Site, ok, parse, site
from tests.patience import PATIENCE

ADMIN = {"address": "127.0.0.1:0"}
CACHE: list[dict[str, Any]] = [{"cache": {"name": "pages"}}]
PAGE = ok(b"hello", "cache-control: max-age=60", "set-cookie: id=7")


async def admin(site: Site, method: str, target: str, body: object = None, *headers: str) -> Answer:
    assert site.admin_port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", site.admin_port)
    sent = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1", "connection: close", f"content-length: {len(sent)}"]
    writer.write("\r\n".join([*head, *headers, "", ""]).encode() + sent)
    answer = parse(await asyncio.wait_for(reader.read(), PATIENCE), method)
    writer.close()
    return answer


def explained(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    story: dict[str, Any] = json.loads(answer.body)
    return story


def test_a_running_proxy_explains_with_its_own_caches(tmp_path: Path) -> None:
    question = {"method": "GET", "url": "http://site.example/a", "headers": ["accept: text/html"]}

    async def scene() -> None:
        async with site(tmp_path, ok(b"x", "cache-control: max-age=60"), chain=CACHE, admin=ADMIN) as proxy:
            await proxy.get("/a")
            story = explained(await admin(proxy, "POST", "/explain", question))
            assert story["stages"][0]["outcome"] == "pages; hit; ttl=60"
            assert len(proxy.asked) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("body", [None, [], {}, {"method": "GET", "url": "nowhere", "headers": []}, {"url": 1}])
def test_what_is_no_question(tmp_path: Path, body: object) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, admin=ADMIN) as proxy:
            assert (await admin(proxy, "POST", "/explain", body)).status == 400
            assert proxy.asked == []

    asyncio.run(scene())


@pytest.mark.parametrize("header", ["origin: http://evil.example", "sec-fetch-site: cross-site", "origin: null"])
def test_a_page_elsewhere_can_have_nothing_explained(tmp_path: Path, header: str) -> None:
    question = {"method": "GET", "url": "http://site.example/a", "headers": []}

    async def scene() -> None:
        async with site(tmp_path, PAGE, admin=ADMIN) as proxy:
            assert (await admin(proxy, "POST", "/explain", question, header)).status == 403
            assert proxy.asked == []

    asyncio.run(scene())


@asynccontextmanager
async def recording(site: Site, query: str = "") -> AsyncIterator[asyncio.StreamReader]:
    """Chunked lines, from after the head on."""
    assert site.admin_port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", site.admin_port)
    writer.write(f"GET /record{query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    yield reader
    writer.close()


async def next_record(reader: asyncio.StreamReader) -> Record:
    async with asyncio.timeout(PATIENCE):
        while not (line := await reader.readline()).startswith(b"{"):
            pass
    return from_json(json.loads(line))


def test_exchanges_are_recorded_with_what_the_origin_said_and_without_secrets(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, chain=CACHE, admin=ADMIN) as proxy, recording(proxy) as tape:
            await proxy.request("POST", "/a", {"authorization": "Basic x", "accept": "*/*"}, b"posted")
            record = await next_record(tape)
            assert (record.asked.method, record.asked.url) == ("POST", "http://site.example/a")
            assert record.asked.body == b"posted"
            assert ("authorization", REDACTED) in record.asked.lines
            assert ("accept", "*/*") in record.asked.lines
            assert record.answer is not None
            assert (record.answer.status, record.answer.body) == (200, b"hello")
            assert ("set-cookie", REDACTED) in record.answer.lines
            ((asked, answer),) = record.origin
            assert (asked.url, answer.body) == ("http://site.example/a", b"hello")
            assert ("set-cookie", REDACTED) in answer.lines
            assert ("authorization", REDACTED) in asked.lines
            assert from_json(to_json(record)) == record

    asyncio.run(scene())


def test_what_is_to_be_seen_and_hidden(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, admin=ADMIN) as proxy, recording(proxy, "?reveal=Cookie&hide=X-Key") as tape:
            await proxy.get("/a", cookie="a=b", x_key="k", authorization="z")
            lines = (await next_record(tape)).asked.lines
            assert {("cookie", "a=b"), ("x-key", REDACTED), ("authorization", REDACTED)} <= set(lines)

    asyncio.run(scene())


def test_only_one_route(tmp_path: Path) -> None:
    routes = [{"match": {"path": path}, "chain": [{"respond": {"body": path}}]} for path in ("/a", "/b")]

    async def scene() -> None:
        async with site(tmp_path, PAGE, routes=routes, admin=ADMIN) as proxy, recording(proxy, "?route=1:/b") as tape:
            await proxy.get("/a")
            await proxy.get("/b")
            assert (await next_record(tape)).route == "1:/b"

    asyncio.run(scene())


def test_it_ends_when_nobody_listens(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, admin=ADMIN) as proxy:
            usual = proxy.server.listeners[0].service.handler
            async with recording(proxy) as tape:
                assert proxy.server.listeners[0].service.handler is not usual
                await proxy.get("/a")
                await next_record(tape)
            async with asyncio.timeout(PATIENCE):
                while proxy.server.listeners[0].service.handler is not usual:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(scene())


@pytest.mark.parametrize("query", ["?share=0", "?share=2", "?share=much"])
def test_what_cannot_be_recorded(tmp_path: Path, query: str) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, admin=ADMIN) as proxy:
            assert (await admin(proxy, "GET", f"/record{query}")).status == 400

    asyncio.run(scene())

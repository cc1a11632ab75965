"""Whole exchanges through a whole proxy: routing, filters, caches, failures."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site import BUILT, HOSTILE, Asked, ok, site

AB = {
    "component": str(BUILT / "ab-split.wasm"),
    "config": {"experiment": "design", "header": "x-design", "weights": {"a": 1, "b": 1}},
}
KEY = {"component": str(BUILT / "api-key.wasm"), "config": {"header": "x-api-key", "keys": ["secret"]}}
INJECT = {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<b></b>"}}
HTML = ok(b"<head></head>page", "content-type: text/html", "cache-control: max-age=60")


def hostile(config: dict[str, Any], on_error: str = "fail_closed") -> dict[str, Any]:
    return {
        "component": str(HOSTILE / "hostile.wasm"),
        "config": config,
        "limits": {"time": "50ms"},
        "on_error": on_error,
    }


def test_a_cache_above_a_filter_keys_on_exactly_what_it_reads(tmp_path: Path) -> None:
    def reply(asked: Asked) -> bytes:
        return ok((asked.header("x-design") or "").encode(), "cache-control: max-age=60")

    async def scenario() -> None:
        chain: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"filter": "ab"}]
        async with site(tmp_path, reply, chain=chain, filters={"ab": AB}) as proxy:
            first = await proxy.get("/", cookie="design=a")
            assert (first.body, first.header("cache-status")) == (b"a", "pages; fwd=uri-miss; stored; ttl=60")
            # The same read: a hit. What nothing reads has no effect.
            again = await proxy.get("/", cookie="other=1; design=a", accept_language="de", user_agent="x")
            assert (again.body, again.header("cache-status")) == (b"a", "pages; hit; ttl=60")
            # Another read: a miss, and its own entry.
            other = await proxy.get("/", cookie="design=b")
            assert other.body == b"b"
            assert (other.header("cache-status") or "").startswith("pages; fwd=vary-miss; stored")
            assert (await proxy.get("/", cookie="design=b")).header("cache-status") == "pages; hit; ttl=60"
            assert len(proxy.asked) == 2

    asyncio.run(scenario())


def test_what_is_above_a_cache_runs_on_every_request_and_what_is_below_on_a_miss(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain: list[dict[str, Any]] = [{"filter": "key"}, {"cache": {"name": "pages"}}, {"filter": "inject"}]
        async with site(tmp_path, HTML, chain=chain, filters={"key": KEY, "inject": INJECT}) as proxy:
            refused = await proxy.get("/")
            assert (refused.status, proxy.asked) == (401, [])
            fetched = await proxy.get("/", x_api_key="secret")
            assert (fetched.status, fetched.body) == (200, b"<head><b></b></head>page")
            hit = await proxy.get("/", x_api_key="secret")
            assert (hit.body, hit.header("cache-status")) == (fetched.body, "pages; hit; ttl=60")
            assert (await proxy.get("/", x_api_key="wrong")).status == 401
            assert len(proxy.asked) == 1

    asyncio.run(scenario())


def test_two_caches_each_have_their_own_key(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain: list[dict[str, Any]] = [{"cache": {"name": "outer"}}, {"filter": "ab"}, {"cache": {"name": "inner"}}]
        async with site(tmp_path, HTML, chain=chain, filters={"ab": AB}) as proxy:
            statuses = [
                (await proxy.get("/", cookie=cookie)).header("cache-status")
                for cookie in ("design=a", "design=b", "design=a")
            ]
            assert statuses == [
                "inner; fwd=uri-miss; stored; ttl=60, outer; fwd=uri-miss; stored; ttl=60",
                "inner; hit; ttl=60, outer; fwd=vary-miss; stored; ttl=60",
                "outer; hit; ttl=60",
            ]
            assert len(proxy.asked) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("deed", ["trap", "loop", "allocate", "recurse"])
def test_a_hostile_filter_harms_its_own_exchange_only(
    tmp_path: Path, deed: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [
            {"match": {"path": "/bad"}, "chain": [{"filter": "bad"}, {"forward": "origin"}]},
            {"chain": [{"filter": "inject"}, {"forward": "origin"}]},
        ]
        filters = {"bad": hostile({"on-request": {"do": deed}}), "inject": INJECT}
        async with site(tmp_path, HTML, routes=routes, filters=filters) as proxy:
            bad, good = await asyncio.gather(proxy.get("/bad"), proxy.get("/"))
            assert bad.status == 500
            assert (bad.header("proxy-status") or "").startswith("sluicegate; error=proxy_internal_error")
            assert (good.status, good.body) == (200, b"<head><b></b></head>page")
            assert (await proxy.get("/")).status == 200

    with caplog.at_level(logging.ERROR):
        logging.getLogger("proxy").propagate = True
        asyncio.run(scenario())
    assert "filter bad failed" in caplog.text
    assert "guest backtrace: " in caplog.text


def test_fail_open_goes_on_and_is_not_stored(tmp_path: Path) -> None:
    async def scenario() -> None:
        filters = {"bad": hostile({"on-request": {"do": "trap"}}, "fail_open")}
        async with site(tmp_path, HTML, chain=[{"cache": {}}, {"filter": "bad"}], filters=filters) as proxy:
            for _ in range(2):
                answer = await proxy.get("/")
                assert (answer.status, answer.body) == (200, b"<head></head>page")
                assert "stored" not in (answer.header("cache-status") or "")
            assert len(proxy.asked) == 2

    asyncio.run(scenario())


def test_a_header_with_a_line_break_never_reaches_the_wire(tmp_path: Path) -> None:
    async def scenario() -> None:
        deed = {"do": "set-header", "name": "x", "value": "1\r\nset-cookie: stolen=1"}
        filters = {"bad": hostile({"on-response": deed})}
        async with site(tmp_path, HTML, chain=[{"filter": "bad"}], filters=filters) as proxy:
            answer = await proxy.get("/")
            assert (answer.status, answer.header("set-cookie")) == (500, None)

    asyncio.run(scenario())


def test_routes_and_fixed_responses(tmp_path: Path) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [
            {
                "match": {"path": "/gone", "methods": ["GET"]},
                "chain": [{"respond": {"status": 410, "headers": {"x-a": "b"}, "body": "gone"}}],
            },
            {"match": {"host": "*.site.example"}, "chain": [{"forward": "origin"}]},
        ]
        async with site(tmp_path, ok(b"origin"), routes=routes) as proxy:
            gone = await proxy.get("/gone")
            assert (gone.status, gone.body, gone.header("x-a")) == (410, b"gone", "b")
            assert (await proxy.get("/", host="www.site.example")).body == b"origin"
            lost = await proxy.get("/")
            assert lost.status == 404
            assert lost.header("proxy-status") == (
                'sluicegate; error=destination_not_found; details="no route matches"'
            )

    asyncio.run(scenario())


def test_an_origin_that_is_not_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        upstreams = {"origin": {"endpoints": ["http://127.0.0.1:1"]}}
        async with site(tmp_path, b"", upstreams=upstreams) as proxy:
            answer = await proxy.get("/")
            assert answer.status == 502
            assert (answer.header("proxy-status") or "").startswith("sluicegate; error=connection_refused")

    asyncio.run(scenario())


def test_the_origin_is_told_who_asked_and_hop_by_hop_fields_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, ok(b"", "connection: x-hop", "x-hop: 1", "x-end: 2")) as proxy:
            answer = await proxy.get("/a?b", connection="close, x-secret", x_secret="1", x_id="7")
            assert (answer.header("x-hop"), answer.header("x-end")) == (None, "2")
            asked = proxy.asked[0]
            assert asked.target == "/a?b"
            told = {
                name: asked.header(name)
                for name in ("host", "x-secret", "x-id", "via", "x-forwarded-for", "x-forwarded-proto")
            }
            assert told == {
                "host": "site.example",
                "x-secret": None,
                "x-id": "7",
                "via": "1.1 sluicegate",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-proto": "http",
            }

    asyncio.run(scenario())


def test_bodies_go_both_ways(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096

    async def scenario() -> None:
        async with site(tmp_path, lambda asked: ok(asked.body)) as proxy:
            answer = await proxy.request("POST", "/", body=body)
            assert answer.body == body

    asyncio.run(scenario())

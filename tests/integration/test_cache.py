"""Caches in a whole proxy: what reaches the wire, on misses and on hits, and the options of the YAML."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site import Asked, ok, site

FRESH = "cache-control: max-age=60"


@pytest.mark.parametrize(
    "field",
    [
        "connection: x-listed, close", "keep-alive: timeout=5", "proxy-authenticate: Basic", "te: gzip", "upgrade: h2c",
        "proxy-connection: keep-alive", "proxy-authorization: Basic x", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA",
    ],
)  # fmt: skip
def test_what_is_for_one_hop_is_neither_passed_on_nor_stored(tmp_path: Path, field: str) -> None:
    async def story() -> None:
        async with site(tmp_path, ok(b"", FRESH, "x-listed: 1", field), chain=[{"cache": {}}]) as proxy:
            for outcome in ("stored", "hit"):
                answer = await proxy.get("/")
                assert outcome in (answer.header("cache-status") or "")
                name, _, value = field.partition(": ")
                assert answer.header(name) != value
                assert answer.header("x-listed") == (None if name == "connection" else "1")
            assert len(proxy.asked) == 1

    asyncio.run(story())


@pytest.mark.parametrize("field", ["proxy-authentication-info: x", "age: 5", "cache-status: other; hit", "trailer: x"])
def test_what_is_about_the_exchange_is_passed_on_but_not_stored(tmp_path: Path, field: str) -> None:
    async def story() -> None:
        async with site(tmp_path, ok(b"", FRESH, field), chain=[{"cache": {}}]) as proxy:
            await proxy.get("/")
            hit = await proxy.get("/")
            name, _, value = field.partition(": ")
            assert "hit" in (hit.header("cache-status") or "")
            assert value not in (hit.header(name) or "") or name == "age"

    asyncio.run(story())


def test_interim_responses_pass_and_are_not_stored(tmp_path: Path) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x.css>\r\n\r\n"

    async def story() -> None:
        async with site(tmp_path, early + ok(b"page", FRESH), chain=[{"cache": {}}]) as proxy:
            request = b"GET / HTTP/1.1\r\nhost: site.example\r\nconnection: close\r\n\r\n"
            first, again = await proxy.raw(request), await proxy.raw(request)
            assert first.startswith(early)
            assert again.startswith(b"HTTP/1.1 200 ")
            assert b"link" not in again

    asyncio.run(story())


def outcomes(tmp_path: Path, cache: dict[str, Any], reply: Any, *targets: tuple[str, dict[str, str]]) -> list[str]:
    async def story() -> list[str]:
        async with site(tmp_path, reply, chain=[{"cache": {"name": "c", **cache}}]) as proxy:
            return [(await proxy.get(target, **headers)).header("cache-status") or "" for target, headers in targets]

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("cache", "reply", "again"),
    [
        ({}, ok(b"", FRESH, "set-cookie: a=b"), "c; fwd=uri-miss; detail=set-cookie"),
        ({"set_cookie": "store"}, ok(b"", FRESH, "set-cookie: a=b"), "c; hit; ttl=60"),
        ({"status_ttl": {200: "7s"}}, ok(b""), "c; hit; ttl=7"),
        ({}, ok(b"", "cdn-cache-control: max-age=7", "cache-control: no-store"), "c; hit; ttl=7"),
        ({"target_list": ["x-cdn"]}, ok(b"", "X-CDN: max-age=7"), "c; hit; ttl=7"),
        ({"target_list": []}, ok(b"", "cdn-cache-control: max-age=7"), "c; fwd=uri-miss; detail=no-freshness"),
        ({"stale_while_revalidate": "9s", "status_ttl": {200: "0s"}}, ok(b"", "etag: \"a\""), "c; hit; ttl=0"),
    ],
)  # fmt: skip
def test_the_choices_of_the_yaml(tmp_path: Path, cache: dict[str, Any], reply: bytes, again: str) -> None:
    assert outcomes(tmp_path, cache, reply, ("/", {}), ("/", {}))[1] == again


def test_the_key_of_the_yaml(tmp_path: Path) -> None:
    def reply(asked: Asked) -> bytes:
        assert "utm" not in asked.target
        return ok(asked.target.encode(), FRESH, "vary: accept-language")

    key = {"query": {"ignore": ["utm_*"], "sort": True}, "languages": ["en", "pt-BR"], "vary": ["X-Device"]}
    found = outcomes(
        tmp_path, {"key": key, "bypass": {"cookies": ["preview"]}}, reply,
        ("/?b=1&a=2&utm_x=1", {"accept_language": "pt-br"}), ("/?a=2&b=1", {"accept_language": "pt, en;q=0.5"}),
        ("/?a=2&b=1", {"accept_language": "en"}), ("/?a=2&b=1", {"accept_language": "pt", "x_device": "1"}),
        ("/?a=2&b=1", {"accept_language": "pt", "cookie": "preview=1"}),
    )  # fmt: skip
    assert found == [
        "c; fwd=uri-miss; stored; ttl=60", "c; hit; ttl=60", "c; fwd=vary-miss; stored; ttl=60",
        "c; fwd=vary-miss; stored; ttl=60", "c; fwd=bypass; detail=exception",
    ]  # fmt: skip


def test_stale_while_the_origin_is_down(tmp_path: Path) -> None:
    """It closes the connection instead of answering."""
    replies = [ok(b"page", "cache-control: max-age=0", 'etag: "a"')]

    def reply(asked: Asked) -> bytes:
        if not replies:
            raise ConnectionError
        return replies.pop()

    async def story() -> None:
        async with site(tmp_path, reply, chain=[{"cache": {"name": "c"}}]) as proxy:
            assert (await proxy.get("/")).body == b"page"
            answer = await proxy.get("/")
            assert (answer.status, answer.body) == (200, b"page")
            assert (answer.header("cache-status") or "").startswith("c; fwd=stale; detail=")

    asyncio.run(story())

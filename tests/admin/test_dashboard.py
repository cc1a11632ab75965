"""The dashboard over sockets, and in a real Chromium."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.integration.site import BUILT, HOSTILE, Site, ok, site
from tests.patience import PATIENCE
from tests.server.test_operations import admin

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (apt-get install chromium)")

FILTERS = {
    "banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}},
    "crash": {"component": str(HOSTILE / "hostile.wasm"), "config": {"on-request": {"do": "trap"}}},
}
ROUTES: list[dict[str, Any]] = [
    {"match": {"path": "/crash"}, "chain": [{"filter": "crash"}, {"forward": "origin"}]},
    {"chain": [{"cache": {"name": "pages"}}, {"filter": "banner"}, {"forward": "origin"}]},
]
PAGE = ok(b"<head></head>", "content-type: text/html", "cache-control: max-age=60")


@asynccontextmanager
async def running(directory: Path, **admin: Any) -> AsyncIterator[Site]:
    listener = {"address": "127.0.0.1:0", **admin}
    async with site(directory, PAGE, routes=ROUTES, filters=FILTERS, admin=listener) as proxy:
        yield proxy


async def data(proxy: Site) -> dict[str, Any]:
    answer = await admin(proxy, "GET", "/dashboard.json")
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_the_document(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy:
            await data(proxy)  # somebody looks
            for path in ("/a", "/a", "/b?secret", "/crash"):
                await proxy.get(path)
            found = await data(proxy)
            crash, pages = found["routes"]
            assert [(stage["stage"], stage["name"]) for stage in pages["chain"]] == [
                ("cache", "pages"),
                ("filter", "banner"),
                ("forward", "origin"),
            ]
            assert (pages["statuses"], crash["statuses"]) == ({"2xx": 3}, {"5xx": 1})
            assert sum(pages["buckets"]) == 3
            assert len(pages["buckets"]) == len(found["bounds"]) + 1
            assert found["caches"] == {"pages": {"hit": 1, "uri-miss": 2}}
            assert [(each["name"], each["errors"]) for each in found["filters"]] == [("banner", 0), ("crash", 1)]
            assert [(each["upstream"], each["requests"]) for each in found["upstreams"]] == [("origin", 2)]
            assert found["failures"] == {"proxy_internal_error": 1}
            assert found["missed"] == [
                {"url": f"GET http://site.example/{path}", "cache": "pages", "count": 1} for path in ("a", "b?secret")
            ]
            assert len(found["slowest"]) == 3
            assert found["generation"] == 1
            await proxy.reload()
            assert (await data(proxy))["generation"] == 2

    asyncio.run(scene())


def test_nothing_is_noted_while_nobody_looks(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy:
            usual = proxy.server.listeners[0].service.on_done
            await proxy.get("/a")
            assert (await data(proxy))["slowest"] == []
            assert proxy.server.listeners[0].service.on_done is not usual

    asyncio.run(scene())


def test_the_page_is_of_this_proxy_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy:
            for path, kind in (("", "html"), (".css", "css"), (".js", "javascript")):
                answer = await admin(proxy, "GET", f"/dashboard{path}")
                assert answer.header("content-type") == f"text/{kind}; charset=utf-8"
                policy = answer.header("content-security-policy") or ""
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
                assert b"http" not in answer.body.replace(b"http://shop.example/", b"")

    asyncio.run(scene())


def test_with_a_token_the_page_is_open_and_the_data_is_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path, token="t0ken") as proxy:
            assert (await admin(proxy, "GET", "/dashboard")).status == 200
            for path in ("/dashboard.json", "/config", "/metrics", "/record", "/"):
                assert (await admin(proxy, "GET", path)).status == 401
            assert (await admin(proxy, "POST", "/explain", {})).status == 401

    asyncio.run(scene())


@asynccontextmanager
async def browser(proxy: Site, **context: Any) -> AsyncIterator[Page]:
    """A page that must do nothing but talk to the proxy, and have no errors."""
    wrong: list[str] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=PATIENCE * 1000,
        )
        page = await (await chromium.new_context(**context)).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        base = f"http://127.0.0.1:{proxy.admin_port}/"
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "status of 40" not in said.text else None)
        page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((base, "data:")) else None)
        await page.goto(f"{base}dashboard")
        yield page
        await chromium.close()
    assert wrong == []


@needs_chromium
def test_in_a_browser(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy, browser(proxy, viewport={"width": 1280, "height": 900}) as page:
            await page.wait_for_selector(".route")
            for path in ("/a", "/a", "/<img%20src=x%20onerror=alert(1)>", "/crash"):
                await proxy.get(path)
            await page.wait_for_selector("text=33.3 %")
            stages = await page.locator(".route").nth(1).locator(".stage b").all_inner_texts()
            assert stages == ["pages", "banner", "origin"]
            assert "1 failed" in await page.locator(".route").nth(0).inner_text()
            assert "onerror=alert" in await page.locator("#slowest").inner_text()
            assert await page.locator("img").count() == 0
            assert "GET http://site.example/a" in await page.locator("#missed").inner_text()
            await page.fill("#url", "http://site.example/a")
            await page.press("#url", "Enter")
            await page.wait_for_selector("text=pages; hit; ttl=60")
            await page.click("summary")
            assert "html-inject.wasm" in await page.locator("#yaml").inner_text()

    asyncio.run(scene())


@needs_chromium
def test_purging(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy, browser(proxy) as page:
            await page.wait_for_selector("#purge")
            await proxy.get("/a")
            assert (await proxy.get("/a")).header("cache-status") == "pages; hit; ttl=60"
            await page.fill("#which", "http://site.example/a")
            await page.press("#which", "Enter")
            await page.wait_for_selector("text=Purged http://site.example/a in pages.")
            assert "uri-miss" in ((await proxy.get("/a")).header("cache-status") or "")
            await page.select_option("#what", "all")
            page.on("dialog", lambda dialog: dialog.accept())
            await page.click("#purge button")
            await page.wait_for_selector("text=Purged everything in pages.")
            assert "uri-miss" in ((await proxy.get("/a")).header("cache-status") or "")
            await page.select_option("#what", "urls")
            await page.fill("#which", "nowhere")
            await page.click("#purge button")
            await page.wait_for_selector("#purged:has-text('/purge: 400')")

    asyncio.run(scene())


@needs_chromium
def test_by_keyboard(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy, browser(proxy) as page:
            await page.wait_for_selector(".route")
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            assert await page.locator("#pause").inner_text() == "Go on"
            assert await page.get_attribute("#pause", "aria-pressed") == "true"
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await page.evaluate(outline) == "solid", "one sees where one is"

    asyncio.run(scene())


@needs_chromium
def test_on_a_phone_by_day_and_by_night(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as proxy:
            backs = []
            for scheme in ("light", "dark"):
                async with browser(proxy, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
                    await page.wait_for_selector(".route")
                    assert await page.evaluate("document.documentElement.scrollWidth") == 360
                    backs.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert backs == ["rgb(246, 247, 249)", "rgb(17, 21, 27)"]

    asyncio.run(scene())


@needs_chromium
def test_it_asks_for_the_token(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path, token="t0ken") as proxy, browser(proxy) as page:
            await page.wait_for_selector("#token")
            await page.keyboard.type("t0ken")
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".route")
            assert await page.locator("#login").is_hidden()

    asyncio.run(scene())

"""`sluice purge` and the admin listener of a proxy that runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site import Answer, Asked, Site, parse, site
from tests.patience import PATIENCE
from tests.ports import free_port

SLUICE = Path(sys.executable).parent / "sluice"
TOKEN = "s3cret"


def reply(asked: Asked) -> bytes:
    tag = "shop" if asked.target.startswith("/shop") else "news"
    head = f"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncache-tag: {tag}, site\r\nvary: x\r\ncontent-length: 2\r\n"
    return head.encode() + b"\r\nok"


@asynccontextmanager
async def running(directory: Path, **cache: Any) -> AsyncIterator[Site]:
    port = free_port()
    chain = [{"cache": {"name": "outer"}}, {"cache": {"name": "inner", **cache}}]
    admin = {"address": f"127.0.0.1:{port}", "token": TOKEN}
    async with site(directory, reply, chain=chain, admin=admin) as proxy:
        yield proxy


async def sluice_purge(directory: Path, *arguments: str) -> tuple[int, str]:
    command = [str(SLUICE), "purge", str(directory / "sluice.yaml"), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def ask_admin(proxy: Site, method: str, path: str, body: str = "") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.admin_port)
    fields = f"host: a\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{method} {path} HTTP/1.1\r\n{fields}content-type: application/json\r\n\r\n{body}".encode())
    answer = parse(await asyncio.wait_for(reader.read(), PATIENCE))
    writer.close()
    return answer


async def fill(proxy: Site) -> None:
    for target in ("/shop/1", "/shop/2", "/news"):
        for x in ("1", "2"):
            await proxy.get(target, x=x)


async def asked_again(proxy: Site) -> list[str]:
    before = len(proxy.asked)
    await fill(proxy)
    return sorted({each.target for each in proxy.asked[before:]})


@pytest.mark.parametrize(
    ("told", "status", "why"),
    [
        ("", 400, "no JSON"),
        ('{"tags": "news"}', 400, "list"),
        ('{"all": true, "caches": ["nowhere"]}', 400, "no cache 'nowhere'"),
        (" " * (1 << 20) + "{}", 413, "longer than"),
    ],
)
def test_a_purge_that_cannot_be_says_why(tmp_path: Path, told: str, status: int, why: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as proxy:
            await fill(proxy)
            answer = await ask_admin(proxy, "POST", "/purge", told)
            assert (answer.status, why in json.loads(answer.body)["error"]) == (status, True)
            assert await asked_again(proxy) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("disk", [False, True])
def test_the_command_purges_what_it_is_told_to(tmp_path: Path, disk: bool) -> None:
    async def scenario() -> None:
        async with running(tmp_path, **({"disk": {"path": "cache"}} if disk else {})) as proxy:
            await fill(proxy)
            assert await asked_again(proxy) == []
            assert await sluice_purge(tmp_path, "--tag", "shop") == (0, "purged in inner, outer: tag shop\n")
            assert await asked_again(proxy) == ["/shop/1", "/shop/2"]
            await sluice_purge(tmp_path, "http://site.example/shop/1", "--prefix", "http://site.example/n")
            assert await asked_again(proxy) == ["/news", "/shop/1"]
            assert await sluice_purge(tmp_path, "--all", "--soft") == (0, "made stale in inner, outer: everything\n")
            assert await asked_again(proxy) == ["/news", "/shop/1", "/shop/2"]
            assert await sluice_purge(tmp_path, "--all", "--cache", "inner") == (0, "purged in inner: everything\n")
            assert await asked_again(proxy) == []  # the outer one has all
            assert (await proxy.get("/news", x="1")).header("cache-tag") is None

    asyncio.run(scenario())


def test_what_was_purged_stays_so_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        for purged in ([], ["/shop/1", "/shop/2"]):
            async with running(tmp_path, disk={"path": "cache"}) as proxy:
                await fill(proxy) if not purged else None
                assert await asked_again(proxy) == purged
                await sluice_purge(tmp_path, "--tag", "shop")

    asyncio.run(scenario())


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path):
            status, output = await sluice_purge(tmp_path, "--all", "--cache", "iner")
            assert (status, "did you mean inner?" in output) == (1, True)
            status, output = await sluice_purge(tmp_path)
            assert (status, "nothing to purge" in output) == (2, True)
        status, output = await sluice_purge(tmp_path, "--all")
        assert (status, "no proxy answers" in output) == (1, True)

    asyncio.run(scenario())


def test_the_admin_listener_shows_what_is_in_the_caches(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, max_size="1MiB") as proxy:
            await fill(proxy)
            for _ in range(5):
                await proxy.get("/news", x="1")
            outer, inner = json.loads((await ask_admin(proxy, "GET", "/caches")).body)
            assert (outer["name"], outer["keys"], inner["name"], inner["keys"]) == ("outer", 3, "inner", 3)
            assert outer["hottest"][0]["url"] == "http://site.example/news"
            assert outer["hottest"][0]["uses"] >= 5
            assert [each["variants"] for each in inner["largest"]] == [2, 2, 2]
            assert inner["most_missed"][0]["requests"] == 2
            metrics = (await ask_admin(proxy, "GET", "/metrics")).body.decode()
            assert 'sluice_cache_urls{cache="outer"} 3.0' in metrics
            assert 'sluice_cache_events_total{cache="inner",event="stored"} 6.0' in metrics
            answer = await ask_admin(proxy, "POST", "/purge", '{"all": true}')
            assert json.loads(answer.body)["caches"] == ["inner", "outer"]
            outer, inner = json.loads((await ask_admin(proxy, "GET", "/caches")).body)
            assert (outer["keys"], inner["bytes"], inner["hottest"]) == (0, 0, [])

    asyncio.run(scenario())

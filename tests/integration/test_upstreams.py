"""Upstreams from the YAML to the wire: choice, health, failures as clients and operators see them, and reload."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.integration.site import Answer, Asked, Site, ok, parse, serving, site
from tests.listening import listening
from tests.ports import free_port
from tests.upstream.name_server import name_server

ADMIN = {"address": "127.0.0.1:0"}
UNUSED = "http://127.0.0.1:1"


@asynccontextmanager
async def origin(answer: bytes, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[tuple[int, list[Asked]]]:
    asked: list[Asked] = []
    async with listening(serving(asked, answer), host, port) as at:
        yield at, asked


def forwarding(**upstream: Any) -> dict[str, Any]:
    return {"upstreams": {"shop": upstream}, "routes": [{"chain": [{"forward": "shop"}]}], "admin": ADMIN}


def site_beside(directory: Path, port: int, failures: int) -> AbstractAsyncContextManager[Site]:
    """With an endpoint at this port, and another that is not there, which is left out after so many failures."""
    endpoints = [UNUSED, f"http://127.0.0.1:{port}"]
    return site(directory, b"", **forwarding(endpoints=endpoints, outlier_detection={"consecutive_failures": failures}))


async def operators_see(place: Site, path: str) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.admin_port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    received = await reader.read()
    writer.close()
    return parse(received)


async def states(place: Site) -> list[str]:
    (shop,) = json.loads((await operators_see(place, "/upstreams")).body)
    return [endpoint["state"] for endpoint in shop["endpoints"]]


def test_weights(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with origin(ok(b"a")) as (a, _), origin(ok(b"b")) as (b, _):
            endpoints = [f"http://127.0.0.1:{a}", {"url": f"http://127.0.0.1:{b}", "weight": 3}]
            async with site(tmp_path, b"", **forwarding(endpoints=endpoints)) as place:
                assert sorted([(await place.get("/")).body for _ in range(8)]) == [b"a"] * 2 + [b"b"] * 6

    asyncio.run(scenario())


def test_a_header_decides(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with origin(ok(b"a")) as (a, _), origin(ok(b"b")) as (b, _):
            upstream = {
                "endpoints": [f"http://127.0.0.1:{a}", f"http://127.0.0.1:{b}"],
                "balance": "consistent_hash",
                "hash": {"on": "header", "name": "X-User"},
            }
            async with site(tmp_path, b"", **forwarding(**upstream)) as place:
                of_user = {}
                for user in map(str, range(12)):
                    of_user[user] = {(await place.get(f"/{n}", **{"x-user": user})).body for n in range(3)}
                assert all(len(bodies) == 1 for bodies in of_user.values())
                assert set.union(*of_user.values()) == {b"a", b"b"}

    asyncio.run(scenario())


def test_an_endpoint_that_is_not_there_costs_nobody_an_answer_and_is_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with origin(ok()) as (port, asked), site_beside(tmp_path, port, 2) as place:
            for _ in range(6):
                assert (await place.request("POST", "/", body=b"order")).status == 200
            assert [each.body for each in asked] == [b"order"] * 6
            assert await states(place) == ["ejected", "healthy"]
            metrics = (await operators_see(place, "/metrics")).body.decode()
            assert 'sluice_upstream_failures_total{endpoint="127.0.0.1:1",type="connection_refused"' in metrics
            assert 'sluice_upstream_ejections_total{endpoint="127.0.0.1:1",upstream="shop"} 1.0' in metrics
            assert 'sluice_upstream_retries_total{outcome="sent",upstream="shop"} 2.0' in metrics

    asyncio.run(scenario())


def test_when_all_are_unhealthy_clients_are_told_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        upstream = {"endpoints": [UNUSED], "health_check": {"path": "/", "interval": "10ms"}}
        async with site(tmp_path, b"", **forwarding(**upstream)) as place:
            while await states(place) != ["unhealthy"]:  # noqa: ASYNC110 - it is a server that we ask
                await asyncio.sleep(0.01)
            answer = await place.get("/")
            assert answer.status == 503
            assert answer.header("proxy-status") == (
                'sluicegate; error=destination_unavailable; details="no endpoint of shop is healthy"'
            )

    asyncio.run(scenario())


def test_a_reload_forgets_nothing_of_an_upstream_that_is_declared_as_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with origin(ok()) as (port, _), site_beside(tmp_path, port, 1) as place:
            await place.get("/")
            assert await states(place) == ["ejected", "healthy"]
            path = tmp_path / "sluice.yaml"
            config = yaml.safe_load(path.read_text())
            config["routes"].insert(0, {"match": {"path": "/new"}, "chain": [{"respond": {"body": "new"}}]})
            path.write_text(yaml.safe_dump(config))
            await place.reload()
            assert (await place.get("/new")).body == b"new"
            assert await states(place) == ["ejected", "healthy"]
            config["upstreams"]["shop"]["slow_start"] = "10ms"
            path.write_text(yaml.safe_dump(config))
            await place.reload()
            assert await states(place) == ["healthy", "healthy"]
            assert (await place.get("/")).status == 200

    asyncio.run(scenario())


def test_a_name_with_two_addresses_is_two_endpoints(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        one, other = origin(ok(b"a"), port=port), origin(ok(b"b"), "127.0.0.2", port)
        async with one, other, name_server() as dns:
            dns.addresses["shop.test"] = ["127.0.0.1", "127.0.0.2"]
            config = {**forwarding(endpoints=[f"http://shop.test:{port}"]), "dns": {"nameservers": [dns.where]}}
            async with site(tmp_path, b"", **config) as place:
                assert sorted([(await place.get("/")).body for _ in range(4)]) == [b"a", b"a", b"b", b"b"]
                answer = await place.get("/")
                assert answer.status == 200

    asyncio.run(scenario())


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with name_server() as dns:
            config = {**forwarding(endpoints=["http://shop.test"]), "dns": {"nameservers": [dns.where]}}
            async with site(tmp_path, b"", **config) as place:
                answer = await place.get("/")
                assert answer.status == 502
                assert (answer.header("proxy-status") or "").startswith("sluicegate; error=dns_error")

    asyncio.run(scenario())

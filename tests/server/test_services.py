"""Components that serve, from a configuration to answers on the wire."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics
from proxy.wasi.http import Service
from tests.integration.site import BUILT, engine, ok, site
from tests.upstream.name_server import name_server
from tests.wasi.sockets.peers import echo, listening

GUESTS = Path(__file__).parents[1] / "wasi" / "guests" / "built"
ORIGIN = {"http": ["http://127.0.0.1:9"]}

PLAIN: dict[str, Any] = {"component": str(GUESTS / "plain.wasm")}
SERVICE: dict[str, Any] = {"component": str(GUESTS / "service.wasm"), "grants": [ORIGIN], "limits": {"memory": "64MiB"}}
SOCKETS: dict[str, Any] = {"component": str(GUESTS / "sockets.wasm"), "limits": {"time": "500ms"}}
HEADERS: dict[str, Any] = {"component": str(BUILT / "headers.wasm")}


def wrong(directory: Path, declared: dict[str, Any], **stage: str) -> str:
    """What is wrong with a component, or with a stage of that name, without the path of the file."""
    path = directory / "sluice.yaml"
    end: dict[str, Any] = {"respond": {}}
    chain = [stage, end] if "filter" in stage else [stage or end]
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "filters": {"it": declared},
        "routes": [{"chain": chain}],
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(ConfigErrors) as found:
        assemble(load(path), Lasting(engine(), Metrics(), time.time))
    (error,) = found.value.errors
    return str(error).removeprefix(str(path)).replace(str(declared["component"]), "FILE")


def test_whom_it_may_ask_has_to_be_said(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"component": SERVICE["component"]}) == (
        ":6:16: filters.it.component: FILE: imports wasi:http/outgoing-handler@0.2.12, which has to be granted: add "
        "`grants: [{http: [http://HOST]}]` to the filter, with the origins it may ask, or with none"
    )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"instance": "pooled"}, "FILE: serves, and has to be `instance: fresh`"),
        ({"on_error": "fail_open"}, "FILE: serves, so there is nothing to go on with without it: it has to be "
                                    "`on_error: fail_closed`"),
        ({"grants": [{"filesystem": [{"path": "nowhere"}]}]}, "which is no directory"),
    ],
)  # fmt: skip
def test_options_that_do_not_suit_it(tmp_path: Path, option: dict[str, Any], said: str) -> None:
    assert wrong(tmp_path, PLAIN | option).endswith(said)


def test_what_stands_in_the_wrong_place(tmp_path: Path) -> None:
    assert wrong(tmp_path, PLAIN, filter="it").endswith(
        "routes[0].chain[0].filter: it answers by itself (wasi:http/incoming-handler@0.2.x): end the chain with "
        "`serve: it`"
    )
    assert wrong(tmp_path, HEADERS, serve="it").endswith(
        "routes[0].chain[0].serve: it is a filter, it does not answer by itself: it goes before the end of a chain"
    )


def test_whom_it_reaches_by_sockets_has_to_be_said(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"component": SOCKETS["component"]}) == (
        ":6:16: filters.it.component: FILE: imports wasi:sockets/types@0.3.2, which has to be granted: add "
        '`grants: [{sockets: {tcp: ["HOST:PORT"]}}]` to the filter, with the peers it may connect to, or '
        "`grants: [{sockets: {}}]` for none"
    )


@pytest.mark.parametrize("grant", [ORIGIN, {"sockets": {"tcp": ["127.0.0.1:9"]}}])
def test_a_filter_asks_nobody(tmp_path: Path, grant: dict[str, Any]) -> None:
    assert wrong(tmp_path, HEADERS | {"grants": [grant]}).endswith(
        "is a filter: http, filesystem and sockets can be granted only to components that serve"
    )


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ({"http": ["unix:/run/a.sock"]}, "grants[0].http[0]: expected http://host:port"),
        ({"http": ["https://a.example/b"]}, "grants[0].http[0]: expected http://host:port"),
        ({"http": ["a.example"]}, "grants[0].http[0]: expected http://host:port"),
        ({"sockets": {"tcp": ["a.example"]}}, "grants[0].sockets.tcp[0]: expected host:port"),
        ({"sockets": {"listen_tcp": ["a.example:80"]}}, "grants[0].sockets.listen_tcp[0]: expected address:port"),
        ({"sockets": {"tpc": []}}, "grants[0].sockets.tpc: unknown option; did you mean tcp?"),
        ({"htp": []}, "grants[0].htp: unknown option; did you mean http?"),
        (7, "grants[0]: expected a mapping, not a number"),
    ],
)
def test_grants_that_are_not_valid(tmp_path: Path, grant: object, said: str) -> None:
    path = tmp_path / "sluice.yaml"
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "filters": {"it": PLAIN | {"grants": [grant]}},
        "routes": [{"chain": [{"serve": "it"}]}],
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(ConfigErrors) as found:
        load(path)
    assert f"filters.it.{said}" in str(found.value)


def test_a_cache_keys_on_what_the_component_reads(tmp_path: Path) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [{"chain": [{"cache": {"ttl": "60s"}}, {"serve": "plain"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"plain": PLAIN}) as proxy:
            said: list[tuple[bytes, str]] = []
            for language in ("fr", "fr", "en", "fr"):
                answer = await proxy.get("/greet", accept_language=language, x_other=str(len(said)))
                said.append((answer.body, (answer.header("cache-status") or "").split("; ")[1]))
            assert said == [(b"Bonjour", "fwd=uri-miss"), (b"Bonjour", "hit"), (b"Hello", "fwd=vary-miss"),
                            (b"Bonjour", "hit")]  # fmt: skip

    asyncio.run(scenario())


def test_on_the_wire(tmp_path: Path) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [{"chain": [{"serve": "service"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"service": SERVICE}) as proxy:
            assert (await proxy.get("/hello")).body == b"Hello\n"
            assert (await proxy.request("POST", "/echo", body=b"x" * 300_000)).body == b"x" * 300_000
            ticks = await proxy.get("/tick?1")
            assert (ticks.body, ticks.header("transfer-encoding")) == (b"tick 0\ntick 1\ntick 2\n", "chunked")
            assert (await proxy.get("/tick?1")).header("via") == "1.1 sluicegate"
            trap = await proxy.get("/trap")
            assert (trap.status, trap.header("proxy-status")) == (
                500, 'sluicegate; error=proxy_internal_error; details="service failed"'
            )  # fmt: skip
            assert (await proxy.request("HEAD", "/hello")).body == b""

    asyncio.run(scenario())


def test_it_asks_the_origin(tmp_path: Path) -> None:
    async def scenario() -> None:
        # Which port the origin has is known when it runs: another proxy's origin it is.
        async with site(tmp_path, ok(b"asked"), chain=[]) as behind:
            declared = SERVICE | {"grants": [{"http": [f"http://127.0.0.1:{behind.port}"]}]}
            (tmp_path / "front").mkdir()
            routes: list[dict[str, Any]] = [{"chain": [{"serve": "service"}]}]
            async with site(tmp_path / "front", ok(), routes=routes, filters={"service": declared}) as proxy:
                answer = await proxy.get(f"/fetch?http://127.0.0.1:{behind.port}/x")
                assert (answer.status, answer.body) == (200, b"asked")
                assert behind.asked[0].header("cdn-loop") == "sluicegate"

    asyncio.run(scenario())


def test_it_connects_to_whom_it_was_granted(tmp_path: Path) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [{"chain": [{"serve": "sockets"}]}]
        async with listening(echo) as port, listening(echo) as other:
            granted = SOCKETS | {"grants": [{"sockets": {"tcp": [f"localhost:{port}", f"127.0.0.1:{port}"]}}]}
            async with site(tmp_path, ok(), routes=routes, filters={"sockets": granted}) as proxy:
                assert (await proxy.request("POST", f"/pipe?127.0.0.1:{port}", body=b"bytes")).body == b"bytes"
                assert (await proxy.request("POST", f"/named?localhost:{port}", body=b"named")).body == b"named"
                assert (await proxy.request("POST", f"/std/tcp?localhost:{port}", body=b"0.2")).body == b"0.2"
                assert (
                    await proxy.request("POST", f"/pipe?127.0.0.1:{other}", body=b"no")
                ).body == b"error AccessDenied"

    asyncio.run(scenario())


def test_names_are_looked_up_where_the_configuration_says(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with name_server() as dns:
            dns.addresses = {"a.example": ["93.184.216.34"]}
            granted = SOCKETS | {"grants": [{"sockets": {"tcp": ["a.example:80"]}}]}
            routes: list[dict[str, Any]] = [{"chain": [{"serve": "sockets"}]}]
            filters, names = {"sockets": granted}, {"nameservers": [dns.where]}
            async with site(tmp_path, ok(), routes=routes, filters=filters, dns=names) as proxy:
                for path in ("/resolve", "/std/resolve"):
                    assert (await proxy.request("POST", f"{path}?a.example")).body == b"93.184.216.34"
            assert "a.example" in {name for name, *_ in dns.asked}

    asyncio.run(scenario())


def test_a_client_that_hangs_up_ends_the_component(tmp_path: Path) -> None:
    async def scenario() -> None:
        routes: list[dict[str, Any]] = [{"chain": [{"serve": "service"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"service": SERVICE}) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"GET /flood HTTP/1.1\r\nhost: a.example\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            before = len(asyncio.all_tasks())
            writer.close()
            for _ in range(200):
                await asyncio.sleep(0.005)
                if len(asyncio.all_tasks()) < before:
                    break
            else:
                raise AssertionError("it runs on")

    asyncio.run(scenario())


def test_a_reload_lets_go_of_it(tmp_path: Path) -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(each, Service) for each in gc.get_objects())

    async def scenario() -> None:
        routes: list[dict[str, Any]] = [{"chain": [{"serve": "plain"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"plain": PLAIN}) as proxy:
            before = alive()
            for _ in range(3):
                assert (await proxy.get("/greet")).status == 200
                await proxy.reload()
            assert (await proxy.get("/greet")).status == 200
            await asyncio.sleep(0)
            assert alive() <= before  # what earlier tests left may be gone meanwhile

    asyncio.run(scenario())

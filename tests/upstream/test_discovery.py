"""Names that are looked up at a real name server, and the endpoints that come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.upstream import Endpoint, Limits, Policy, Upstream
from proxy.upstream import names as names_module
from proxy.upstream.dns import Resolver
from tests.listening import listening
from tests.ports import free_port
from tests.upstream.name_server import SERVFAIL, NameServer, name_server
from tests.upstream.scripted import OK, Scripted, answering, request, run

NAME = "origin.test"


@asynccontextmanager
async def named(
    limits: Limits = Limits(),  # noqa: B008
    policy: Policy = Policy(),  # noqa: B008
) -> AsyncIterator[tuple[Upstream, NameServer, list[Scripted]]]:
    """An upstream of that name, and origins on one port of 127.0.0.1 and 127.0.0.2."""
    origins = [Scripted(answering(OK)), Scripted(answering(OK))]
    port = free_port()
    one, other = (listening(each.serve, f"127.0.0.{n}", port) for n, each in enumerate(origins, 1))
    async with one, other, name_server() as dns:
        resolver = Resolver([dns.where])
        upstream = Upstream("test", [Endpoint(NAME, port)], limits, policy=policy, lookup=resolver.lookup)
        try:
            yield upstream, dns, origins
        finally:
            upstream.close()
            resolver.close()
            await asyncio.sleep(0.01)


async def until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110 - it is somebody else who does it, at another time
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are hundredths."""
    monkeypatch.setattr(names_module, "SHORTEST_TTL", 0.01)
    monkeypatch.setattr(names_module, "_FIRST_PAUSE", 0.01)


def test_each_address_is_an_endpoint() -> None:
    async def test() -> None:
        async with named() as (upstream, dns, origins):
            dns.addresses[NAME] = ["127.0.0.2", "127.0.0.1"]
            for _ in range(4):
                assert (await upstream.send(request())).body == b"ok"
            assert [peer.got.count(b"GET") for origin in origins for peer in origin.peers] == [2, 2]
            assert len(dns.asked) == 2  # A and AAAA, once: the answer is good for a minute

    run(test())


def test_endpoints_come_and_go_with_the_answers() -> None:
    async def test() -> None:
        async with named() as (upstream, dns, _):
            dns.ttl, dns.addresses[NAME] = 0, ["127.0.0.1"]
            await upstream.send(request())
            kept = upstream.origins[0]
            dns.addresses[NAME] = ["127.0.0.1", "127.0.0.2"]
            await until(lambda: len(upstream.origins) == 2)
            assert upstream.origins[0] is kept
            for _ in range(4):
                assert (await upstream.send(request())).body == b"ok"
            dns.addresses[NAME] = ["127.0.0.2"]
            await until(lambda: [origin.name.partition(":")[0] for origin in upstream.origins] == ["127.0.0.2"])
            await until(lambda: kept.connections == (0, 0))
            assert (await upstream.send(request())).body == b"ok"

    run(test())


def test_an_endpoint_that_comes_later_starts_slowly() -> None:
    async def test() -> None:
        async with named(policy=Policy(slow_start=1000)) as (upstream, dns, origins):
            dns.ttl, dns.addresses[NAME] = 0, ["127.0.0.1"]
            await upstream.send(request())
            dns.addresses[NAME] = ["127.0.0.1", "127.0.0.2"]
            await until(lambda: len(upstream.origins) == 2)
            for _ in range(21):
                await upstream.send(request())
            new = sum(peer.got.count(b"GET") for peer in origins[1].peers)
            assert [origin.share for origin in upstream.origins] == [1, 0.1]
            assert new == 2

    run(test())


def test_an_exchange_on_an_endpoint_that_goes_is_finished() -> None:
    async def test() -> None:
        async with named() as (upstream, dns, origins):
            dns.ttl, dns.addresses[NAME] = 0, ["127.0.0.1"]
            asking = asyncio.ensure_future(upstream.send(request("POST")))
            await origins[0].asked()
            dns.addresses[NAME] = ["127.0.0.2"]
            await until(lambda: upstream.origins[0].name.startswith("127.0.0.2"))
            assert (await asking).body == b"ok"

    run(test())


@pytest.mark.parametrize("failing", [SERVFAIL, 0])
def test_a_look_up_that_fails_leaves_the_endpoints_as_they_are(failing: int) -> None:
    async def test() -> None:
        async with named() as (upstream, dns, _):
            dns.ttl, dns.addresses[NAME] = 0, ["127.0.0.1"]
            await upstream.send(request())
            dns.failing = failing
            dns.addresses.clear()
            before = len(dns.asked)
            await until(lambda: len(dns.asked) > before + 4)
            assert (await upstream.send(request())).body == b"ok"
            dns.failing, dns.addresses[NAME] = 0, ["127.0.0.2"]
            await until(lambda: upstream.origins[0].name.startswith("127.0.0.2"))

    run(test())


def test_a_name_that_nobody_knows() -> None:
    async def test() -> None:
        async with named() as (upstream, dns, _):
            with pytest.raises(ProxyError, match=NAME) as caught:
                await upstream.send(request("POST"))
            assert caught.value.failure is errors.DNS_ERROR
            dns.addresses[NAME] = ["127.0.0.1"]
            await until(lambda: bool(upstream.origins))
            assert (await upstream.send(request())).body == b"ok"

    run(test())


def test_a_name_server_that_says_nothing() -> None:
    async def test() -> None:
        async with named(Limits(connect_timeout=0.02)) as (upstream, dns, _):
            dns.silent = True
            with pytest.raises(ProxyError) as caught:
                await upstream.send(request())
            assert caught.value.failure is errors.DNS_TIMEOUT

    run(test())


def test_what_the_hosts_file_knows() -> None:
    """Without any name server."""

    async def test() -> None:
        resolver = Resolver(["127.0.0.1:1"])
        assert "127.0.0.1" in (await resolver.lookup("localhost")).addresses
        resolver.close()

    run(test())

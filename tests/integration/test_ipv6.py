"""IPv6 on both sides: listeners, endpoints, and what is said of addresses."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from proxy.downstream import bind
from tests.codec.test_proxy_protocol import V6, v2
from tests.integration.site import Answer, ok, parse, site
from tests.integration.test_upstreams import origin
from tests.ports import free_port


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


async def ask(port: int, host: str = "[::1]", at: str = "::1", before: bytes = b"", more: str = "") -> Answer:
    reader, writer = await asyncio.open_connection(at, port)
    writer.write(before + f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode())
    answer = await reader.read()
    writer.close()
    return parse(answer)


def test_from_client_to_origin(tmp_path: Path) -> None:
    async def main() -> None:
        log = tmp_path / "log"
        async with origin(ok(b"six"), "::1") as (port, asked):
            options: dict[str, Any] = {
                "listeners": [{"address": "[::1]:0"}],
                "upstreams": {"origin": {"endpoints": [f"http://[::1]:{port}"], "health_check": {"path": "/healthz"}}},
                "routes": [{"match": {"host": "[0:0:0:0:0:0:0:1]"}, "chain": [{"forward": "origin"}]}],
                "access_log": {"to": str(log), "fields": ["client", "authority"]},
                "server_timing": ["::1/128"],
            }
            async with site(tmp_path, b"", **options) as at:
                answer = await ask(at.port, f"[0::1]:{at.port}", more="x-server-timing: 1\r\n")
                assert (answer.status, answer.body) == (200, b"six")
                assert "total;dur=" in (answer.header("server-timing") or "")
                assert (await ask(at.port, "[::2]")).status == 404
            check, request = asked
            assert (check.target, check.header("host")) == ("/healthz", f"[::1]:{port}")
            assert request.header("host") == f"[::1]:{at.port}"
            assert request.header("x-forwarded-for") == "::1"
            assert request.header("forwarded") == f'for="[::1]";host="[::1]:{at.port}";proto=http'
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert lines[0] == {"client": "::1", "authority": f"[::1]:{at.port}"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP6 2001:DB8::7 2001:db8::1 4711 443\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4711 443\r\n", "192.0.2.7"),
        (v2(0x21, 0x21, V6), "2001:db8::1"),
        (v2(0x20, 0x00, b""), "::1"),
    ],
)
def test_the_proxy_protocol(tmp_path: Path, header: bytes, client: str) -> None:
    async def main() -> None:
        async with site(tmp_path, ok(), listeners=[{"address": "[::1]:0", "proxy_protocol": True}]) as at:
            assert (await ask(at.port, before=header)).status == 200
            assert at.asked[0].header("x-forwarded-for") == client

    asyncio.run(main())


def test_one_port_on_both(tmp_path: Path) -> None:
    """[::] alone takes no IPv4, so 0.0.0.0 can have the same port."""
    port = free_port()

    async def main() -> None:
        async with site(tmp_path, ok(), listeners=[{"address": f"[::]:{port}"}]) as at:
            assert (await ask(port)).status == 200
            with pytest.raises(ConnectionRefusedError):
                await ask(port, at="127.0.0.1")
            assert at.asked[0].header("x-forwarded-for") == "::1"
        async with site(tmp_path, ok(), listeners=[{"address": f"[::]:{port}"}, {"address": f"0.0.0.0:{port}"}]) as at:
            for client in ("::1", "127.0.0.1"):
                assert (await ask(port, at=client)).status == 200
                assert at.asked[-1].header("x-forwarded-for") == client

    asyncio.run(main())


def test_an_address_in_use() -> None:
    (bound,) = bind("::1", 0)
    bound.listen()
    with closing(bound), pytest.raises(OSError, match="in use"):
        bind("::1", bound.getsockname()[1])

"""HTTP/2 over sockets, with clients that others have written."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from proxy.downstream import Listener, Service, bind
from proxy.downstream.listener import serve
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from proxy.tls import server_context
from tests.patience import PATIENCE
from tests.tls.certificates import issue

LARGE = bytes(range(256)) * 4096 * 3


async def site(request: Request) -> Response:
    body = await collect(request.body, 1 << 24)
    if request.path == "/echo":
        return Response(200, Fields(), body)
    if request.path == "/large":
        return Response(200, Fields(), LARGE)
    return Response(200, Fields([(b"x-version", request.exchange.version.encode())]), b"hello")


@asynccontextmanager
async def listening(*protocols: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    service = Service(site, protocols=protocols or ("h2", "http/1.1"), tls=tls)
    listener = await serve(bind("127.0.0.1", 0), service)
    try:
        yield listener
    finally:
        await listener.drain(1)


def test_a_client_and_many_exchanges_at_once() -> None:
    async def main() -> None:
        async with listening() as listener:
            origin = "http://{}:{}".format(*listener.addresses[0])
            async with httpx.AsyncClient(http1=False, http2=True, base_url=origin, timeout=PATIENCE) as client:
                answers = await asyncio.gather(
                    *(client.get("/") for _ in range(40)),
                    *(client.get("/large") for _ in range(3)),
                    *(client.post("/echo", content=LARGE[: 700_000 + n]) for n in range(3)),
                )
                assert listener.connections == 1
            assert [answer.http_version for answer in answers] == ["HTTP/2"] * 46
            assert {answer.headers["x-version"] for answer in answers[:40]} == {"2"}
            assert [answer.content for answer in answers[40:43]] == [LARGE] * 3
            assert [len(answer.content) for answer in answers[43:]] == [700_000, 700_001, 700_002]

    asyncio.run(main())


def test_both_versions_on_one_port() -> None:
    async def main() -> None:
        async with listening() as listener:
            origin = "http://{}:{}".format(*listener.addresses[0])
            for http2 in (False, True):
                async with httpx.AsyncClient(http1=not http2, http2=http2, base_url=origin, timeout=PATIENCE) as client:
                    assert (await client.get("/")).http_version == ("HTTP/2" if http2 else "HTTP/1.1")

    asyncio.run(main())


@pytest.mark.skipif(shutil.which("h2spec") is None, reason="h2spec is built by .ci/run, where Go is")
@pytest.mark.parametrize("secure", [False, True], ids=["in the clear", "over TLS"])
def test_h2spec(tmp_path: Path, secure: bool) -> None:
    context = server_context([issue(tmp_path, "localhost").pair], ["h2"]) if secure else None

    async def main() -> None:
        async with listening("h2", tls=context) as listener:
            port = str(listener.addresses[0][1])
            command = ["h2spec", "--strict", "--timeout", "10", "--host", "127.0.0.1", "--port", port]
            command += ["--tls", "--insecure"] if secure else []
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE)
            assert " 0 failed" in done.stdout, done.stdout[done.stdout.find("Failures:") :]

    asyncio.run(main())

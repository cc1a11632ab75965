"""The same guest under `wasmtime serve`, which has sockets of its own making: it tells the same, and so do failures."""

from __future__ import annotations

import asyncio

from tests.filters.test_echo import ask, wasmtime_serve
from tests.ports import free_port
from tests.wasi.sockets.peers import GUEST, Guest, answering, echo, listening, reset, swallow

FEATURES = ("-S", "inherit-network=y,allow-ip-name-lookup=y")


def test_the_same_answers() -> None:
    async def asking() -> None:
        async with (
            listening(echo) as port,
            listening(reset) as resetting,
            listening(swallow) as silent,
            answering(lambda data: [data.upper()]) as one,
            answering(lambda data: [b"other"]) as other,
            wasmtime_serve(GUEST, *FEATURES) as theirs,
        ):
            guest = Guest(
                tcp=["127.0.0.0/8:1-65535", "localhost:1-65535"],
                udp=["127.0.0.0/8:1-65535"],
                listen_tcp=["127.0.0.1:0"],
            )
            nobody = free_port()
            for target in (
                f"/copy?127.0.0.1:{port}",
                f"/copy?127.0.0.1:{resetting}",
                f"/pipe?127.0.0.1:{port}",
                f"/pipe?127.0.0.1:{nobody}",
                "/pipe?0.0.0.0:80",
                "/pipe?224.0.0.1:80",
                "/pipe?255.255.255.255:80",
                "/pipe?127.0.0.1:0",
                f"/named?localhost:{port}",
                f"/states?127.0.0.1:{silent}",
                f"/udp?127.0.0.1:{one}",
                "/udp?127.0.0.1:0",
                f"/udp-peers?127.0.0.1:{one}&127.0.0.1:{other}",
                "/resolve?a%20b",
                "/resolve?10.1.2.3",
                f"/std/tcp?127.0.0.1:{port}",
                f"/std/tcp?127.0.0.1:{resetting}",
                f"/std/tcp?127.0.0.1:{nobody}",
                f"/std/tcp?localhost:{port}",
                f"/std/udp?127.0.0.1:{one}",
                "/std/listen?127.0.0.1:0",
            ):
                ours = await guest.text(target, b"content")
                assert (target, ours) == (target, (await ask(theirs, "POST", target, {}, b"content")).body.decode())

    asyncio.run(asking())

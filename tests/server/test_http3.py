"""HTTP/3 of a whole proxy: real processes, real datagrams."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from pathlib import Path
from typing import Any

from tests.http3_client import connected, head
from tests.server.process import Process, config, respond, running
from tests.tls.certificates import authority, issue

CA = authority().cert_pem.bytes()


def http3(directory: Path, chain: list[dict[str, Any]], **more: Any) -> Path:
    tls = {"certificates": [issue(directory, "localhost").option]}
    listener = {"address": "127.0.0.1:0", "tls": tls, "protocols": ["http/1.1", "h2", "h3"]}
    return config(directory, chain, listeners=[listener, {"address": "127.0.0.1:0"}], **more)


def alt_svc(process: Process) -> str | None:
    trusting = ssl.create_default_context(cadata=CA.decode())
    connection = http.client.HTTPSConnection("localhost", process.port, context=trusting)
    connection.request("GET", "/")
    found = connection.getresponse().getheader("alt-svc")
    connection.close()
    return found


def test_two_workers_answer_and_tcp_says_where(tmp_path: Path) -> None:
    with running(http3(tmp_path, respond("hello"), workers=2)) as process:
        assert alt_svc(process) == f'h3=":{process.port}"; ma=86400'

        async def main() -> None:
            for _ in range(8):
                async with connected(process.port, CA) as client:
                    answers = await asyncio.gather(*(client.ask(head("/")) for _ in range(10)))
                    assert [(each.status, each.body) for each in answers] == [("200", b"hello")] * 10

        asyncio.run(main())

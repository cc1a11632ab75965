"""HTTP/3 of a whole proxy: real processes, real datagrams."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from aioquic.tls import SessionTicket

from tests.http3_client import connected, head
from tests.patience import PATIENCE
from tests.server.process import Process, config, respond, running
from tests.server.test_workers import ADMIN, alive, pids, until
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


@contextmanager
def slow_origin(go: threading.Event) -> Iterator[str]:
    """Answers each request with a first piece, and the rest once it may."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 200005\r\nconnection: close\r\n\r\nfirst")
            go.wait(PATIENCE)
            with suppress(ConnectionError):
                self.wfile.write(bytes(200_000))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as origin:
        threading.Thread(target=origin.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{origin.server_address[1]}"
        finally:
            go.set()
            origin.shutdown()


async def ask_workers(port: int, number: int) -> set[bytes]:
    """Of so many connections, which workers they are to. All are answered."""

    async def one() -> bytes:
        async with connected(port, CA) as client:
            answers = await asyncio.gather(*(client.ask(head("/")) for _ in range(10)))
            assert [(each.status, each.body) for each in answers] == [("200", b"one")] * 10
            return client.quic._peer_cid.cid[:2]

    return set(await asyncio.gather(*(one() for _ in range(number))))


def change(process: Process, path: Path, **more: Any) -> None:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **more}))
    assert process.admin("POST", "/reload")[0] == 200


def test_workers_and_reloads(tmp_path: Path) -> None:
    path = http3(tmp_path, respond("one"), workers=2, **ADMIN)

    async def main(process: Process) -> None:
        assert await ask_workers(process.port, 12) == {b"\0\0", b"\0\1"}
        async with connected(process.port, CA) as client:
            mine = int.from_bytes(client.quic._peer_cid.cid[:2])
            (other,) = (worker["pid"] for worker in process.workers() if worker["worker"] != mine)
            os.kill(other, signal.SIGKILL)
            assert (await client.ask(head("/"))).body == b"one", "the others lose nothing"
            await asyncio.to_thread(until, lambda: len(pids(process) - {other}) == 2)
            http3(tmp_path, respond("two"), workers=2, **ADMIN)
            await asyncio.to_thread(change, process, path)
            assert (await client.ask(head("/"))).body == b"two"
            async with connected(process.port, CA) as another:
                assert (await another.ask(head("/"))).body == b"two"
                assert another.quic.tls._peer_certificate != client.quic.tls._peer_certificate
            listeners = yaml.safe_load(path.read_text())["listeners"]
            listeners[0]["max_headers"] = 90
            await asyncio.to_thread(change, process, path, listeners=listeners, workers=3)
            async with asyncio.timeout(PATIENCE):
                assert (await client.terminated).error_code == 0x100, "with other options it is another listener"
            async with connected(process.port, CA) as client:
                assert (await client.ask(head("/"))).body == b"two"

    with running(path) as process:
        assert alt_svc(process) == f'h3=":{process.port}"; ma=86400'
        asyncio.run(main(process))


def test_a_session_is_resumed_by_every_worker_and_after_a_reload(tmp_path: Path) -> None:
    path = http3(tmp_path, respond("one"), workers=2, **ADMIN)

    async def resumes(process: Process, session: SessionTicket) -> tuple[bytes, bool]:
        async with connected(process.port, CA, session=session) as client:
            assert (await client.ask(head("/"))).status == "200"
            return client.quic._peer_cid.cid[:2], client.quic.tls.session_resumed

    async def main(process: Process) -> None:
        came: asyncio.Queue[SessionTicket] = asyncio.Queue()
        async with connected(process.port, CA, on_session=came.put_nowait):
            session = await asyncio.wait_for(came.get(), PATIENCE)
        found = {await resumes(process, session) for _ in range(12)}
        assert found == {(b"\0\0", True), (b"\0\1", True)}
        await asyncio.to_thread(change, process, path, routes=[{"chain": respond("two")}])
        assert (await resumes(process, session))[1]
        http3(tmp_path, respond("three"), workers=2, **ADMIN)  # with another certificate
        await asyncio.to_thread(change, process, path)
        assert not (await resumes(process, session))[1]

    with running(path) as process:
        asyncio.run(main(process))


def test_a_restart_and_a_stop_finish_what_is_under_way(tmp_path: Path) -> None:
    go = threading.Event()

    async def main(process: Process) -> int:
        async with connected(process.port, CA) as client:
            number = client.begin(head("/"))
            await client.until(number, size=5)
            process.popen.send_signal(signal.SIGUSR2)
            successor = int((await asyncio.to_thread(process.until, r"process (\d+) serves from now on"))[1])
            try:
                async with connected(process.port, CA) as another:
                    last = another.begin(head("/"))
                    await another.until(last, size=5)
                    os.kill(successor, signal.SIGTERM)
                    go.set()
                    for each, stream in ((client, number), (another, last)):
                        answer = await each.until(stream)
                        assert (len(answer.body), answer.ended) == (200_005, "end")
                        async with asyncio.timeout(PATIENCE):
                            assert (await each.terminated).error_code == 0x100
            finally:
                with suppress(ProcessLookupError):
                    os.kill(successor, signal.SIGTERM)
        return successor

    with slow_origin(go) as url:
        path = http3(tmp_path, [{"forward": "slow"}], workers=2, upstreams={"slow": {"endpoints": [url]}}, **ADMIN)
        with running(path) as process:
            successor = asyncio.run(main(process))
            until(lambda: not alive(successor))

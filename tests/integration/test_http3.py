"""HTTP/3 with clients that others have written: ngtcp2 with nghttp3, and a browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aioquic.tls import SessionTicket
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import async_playwright

from proxy.codec.quic import handshake, tickets
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from tests.admin.test_dashboard import CHROMIUM, needs_chromium
from tests.downstream.test_http3 import IDENTITY, listening
from tests.patience import PATIENCE

BODY = bytes(range(256)) * 4000
PAGE = b"page" * 5000

needs_ngtcp2 = pytest.mark.skipif(
    shutil.which("gtlsclient") is None, reason="there is no gtlsclient (apt-get install ngtcp2-client)"
)


async def site(request: Request) -> Response:
    body = await collect(request.body, 1 << 24)
    found = PAGE if request.path.startswith("/page") else BODY
    return Response(200, Fields([(b"content-type", b"text/html")]), body or found)


def ask(port: int, directory: Path, *options: str) -> dict[str, bytes]:
    """What was downloaded, by name."""
    directory.mkdir()
    command = ["gtlsclient", "-q", "--exit-on-all-streams-close", f"--download={directory}", *options]
    urls = [f"https://localhost:{port}/{name}" for name in ("a", "b", "c")]
    done = subprocess.run([*command, "127.0.0.1", str(port), *urls], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return {each.name: each.read_bytes() for each in directory.iterdir()}


@needs_ngtcp2
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tx-loss=0.05", "--rx-loss=0.05"),
        ("--max-stream-data-bidi-local=20K", "--max-data=30K"),
    ],
)
def test_downloads(tmp_path: Path, options: tuple[str, ...]) -> None:
    async def main() -> None:
        async with listening(site) as listener:
            found = await asyncio.to_thread(ask, listener.addresses[0][1], tmp_path / "found", *options)
            assert found == {"a": BODY, "b": BODY, "c": BODY}

    asyncio.run(main())


@needs_ngtcp2
def test_uploads(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY[::-1])

    async def main() -> None:
        async with listening(site) as listener:
            sent = ("--http-method=POST", f"--data={tmp_path / 'body'}")
            found = await asyncio.to_thread(ask, listener.addresses[0][1], tmp_path / "found", *sent)
            assert found == {"a": BODY[::-1], "b": BODY[::-1], "c": BODY[::-1]}

    asyncio.run(main())


@needs_ngtcp2
def test_a_session_is_resumed_and_early_data_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed: list[bool] = []

    def opened(*asked: Any) -> SessionTicket | None:
        session = tickets.opened(*asked)
        resumed.append(session is not None)
        return session

    monkeypatch.setattr(handshake, "tickets", SimpleNamespace(opened=opened, issue=tickets.issue))
    options = (f"--session-file={tmp_path / 'session'}", f"--tp-file={tmp_path / 'parameters'}")

    async def main() -> None:
        async with listening(site) as listener:
            for name in ("one", "two", "three"):
                found = await asyncio.to_thread(ask, listener.addresses[0][1], tmp_path / name, *options)
                assert found == {"a": BODY, "b": BODY, "c": BODY}

    asyncio.run(main())
    assert resumed == [True, True]


ASK = """async () => {
    const asked = [...Array(20).keys()].map(n => fetch(`/page/${n}`).then(answer => answer.arrayBuffer()));
    const sizes = (await Promise.all(asked)).map(body => body.byteLength);
    const sent = await fetch("/", {method: "POST", body: new Uint8Array(300000)});
    const entries = performance.getEntriesByType("resource").map(entry => entry.nextHopProtocol);
    return [new Set(sizes).size, sizes[0], (await sent.arrayBuffer()).byteLength, [...new Set(entries)]];
}"""


@needs_chromium
def test_a_browser() -> None:
    """Its first packets are two, as its key share is a large one."""
    public = IDENTITY.named(None).certificate.public_key()
    spki = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()

    async def main() -> None:
        async with listening(site) as listener, async_playwright() as playwright:
            port = listener.addresses[0][1]
            chromium = await playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--host-resolver-rules=MAP localhost 127.0.0.1",
                    f"--origin-to-force-quic-on=localhost:{port}",
                    f"--ignore-certificate-errors-spki-list={base64.b64encode(spki).decode()}",
                ],
            )
            page = await chromium.new_page()
            await page.goto(f"https://localhost:{port}/page")
            assert await page.evaluate(ASK) == [1, len(PAGE), 300_000, ["h3"]]
            await chromium.close()

    asyncio.run(main())

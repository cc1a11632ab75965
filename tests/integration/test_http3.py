"""HTTP/3 with a client that others have written: ngtcp2 and nghttp3, which is QUIC and HTTP/3 in C."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from tests.downstream.test_http3 import listening

BODY = bytes(range(256)) * 4000

pytestmark = pytest.mark.skipif(shutil.which("gtlsclient") is None, reason="gtlsclient: apt-get install ngtcp2-client")


async def site(request: Request) -> Response:
    body = await collect(request.body, 1 << 24)
    return Response(200, Fields(), body or BODY)


def ask(port: int, directory: Path, *options: str) -> dict[str, bytes]:
    """What was downloaded, by name."""
    directory.mkdir()
    command = ["gtlsclient", "-q", "--exit-on-all-streams-close", f"--download={directory}", *options]
    urls = [f"https://localhost:{port}/{name}" for name in ("a", "b", "c")]
    done = subprocess.run([*command, "127.0.0.1", str(port), *urls], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {each.name: each.read_bytes() for each in directory.iterdir()}


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


def test_uploads(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY[::-1])

    async def main() -> None:
        async with listening(site) as listener:
            sent = ("--http-method=POST", f"--data={tmp_path / 'body'}")
            found = await asyncio.to_thread(ask, listener.addresses[0][1], tmp_path / "found", *sent)
            assert found == {"a": BODY[::-1], "b": BODY[::-1], "c": BODY[::-1]}

    asyncio.run(main())

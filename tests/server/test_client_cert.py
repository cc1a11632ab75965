"""Client certificates: who may do without one, and what the origin believes (RFC 9440)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.site import Site, ok, site
from tests.patience import PATIENCE
from tests.server.test_tls import tls
from tests.tls.certificates import client_context, issue

PLAIN = {"address": "127.0.0.1:0", "protocols": ["http/1.1"]}

LIES = [
    "Client-Cert: :bGll:",
    "CLIENT-CERT: :bGll:\r\nclient-cert: :bGll:",
    "Client-Cert-Chain: :bGll:, :bGll:",
    "Client_Cert: :bGll:",
    "client_cert-chain: :bGll:",
    "Client-Cert:",
    "Connection: client-cert\r\nClient-Cert: :bGll:",
]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def client(ca: trustme.CA | None, *protocols: str) -> tuple[ssl.SSLContext, str | None]:
    """A client with a certificate of this authority, and how RFC 9440 has it."""
    context = client_context(*protocols)
    if ca is None:
        return context, None
    made = ca.issue_cert("client@a.example", key_type=trustme.KeyType.ECDSA)
    made.configure_cert(context)
    der = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    return context, f":{b64encode(der).decode()}:"


@asynccontextmanager
async def proxy(directory: Path, ca: trustme.CA, **options: object) -> AsyncIterator[Site]:
    """Its second listener is in the clear."""
    ca.cert_pem.write_to_path(str(directory / "clients.pem"))
    listeners = [*tls(issue(directory, "a.example"), client_ca="clients.pem", **options), PLAIN]
    async with site(directory, ok(), listeners=listeners) as at:
        yield at


async def say(at: Site, context: ssl.SSLContext | None, *lines: str) -> None:
    """A request to the listener with TLS, or to the one in the clear."""
    port = at.server.listeners[0 if context else 1].addresses[0][1]
    name = "a.example" if context else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    head = "".join(f"{line}\r\n" for line in ("POST / HTTP/1.1", "Host: a", *lines))
    if not any(line.startswith("Connection") for line in lines):
        head += "Connection: close\r\n"
    writer.write(f"{head}\r\n".encode())
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


def told(at: Site) -> list[str]:
    """All that the last request says of certificates, in whatever spelling."""
    return [value for name, value in at.asked[-1].headers if name.lower().replace("_", "-").startswith("client-cert")]


@pytest.mark.parametrize("lie", LIES)
def test_what_a_client_says_itself_does_not_arrive(tmp_path: Path, ca: trustme.CA, lie: str) -> None:
    async def main() -> None:
        known, certificate = client(ca)
        nobody, _ = client(None)
        async with proxy(tmp_path, ca, verify_client="optional", forward_client_cert=True) as at:
            await say(at, known, lie)
            assert told(at) == [certificate]
            await say(at, nobody, lie)
            assert told(at) == []
            await say(at, None, lie)
            assert told(at) == []

    asyncio.run(main())


def test_over_http_2(tmp_path: Path, ca: trustme.CA) -> None:
    async def main() -> None:
        async with proxy(tmp_path, ca, verify_client="optional", forward_client_cert=True) as at:
            for context, certificate in (client(ca, "h2"), client(None, "h2")):
                async with httpx.AsyncClient(http1=False, http2=True, verify=context, timeout=PATIENCE) as asking:
                    url = f"https://127.0.0.1:{at.port}/"
                    lies = {"host": "a", "client-cert": ":bGll:", "client_cert": ":bGll:"}
                    answer = await asking.get(url, headers=lies, extensions={"sni_hostname": "a.example"})
                assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
                assert told(at) == ([] if certificate is None else [certificate])

    asyncio.run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_optional_is_none_or_a_good_one(tmp_path: Path, ca: trustme.CA, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async with proxy(tmp_path, ca, verify_client="optional") as at:
            for issuer in (ca, None):
                context, _ = client(issuer)
                context.maximum_version = version
                await say(at, context)
            context, _ = client(trustme.CA(key_type=trustme.KeyType.ECDSA))
            context.maximum_version = version
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await say(at, context)
            assert len(at.asked) == 2

    asyncio.run(main())


def test_where_nobody_is_told_the_field_is_an_ordinary_one(tmp_path: Path, ca: trustme.CA) -> None:
    """A proxy in front of us may have said it. A reload that changes this changes it for listeners that stay."""

    async def main() -> None:
        async with proxy(tmp_path, ca, verify_client="optional") as at:
            await say(at, None, "Client-Cert: :dHJ1ZQ==:")
            assert told(at) == [":dHJ1ZQ==:"]
            config = yaml.safe_load(at.path.read_text())
            config["listeners"][0]["tls"]["forward_client_cert"] = True
            at.path.write_text(yaml.safe_dump(config, sort_keys=False))
            await at.reload()
            await say(at, None, "Client-Cert: :bGll:")
            assert told(at) == []

    asyncio.run(main())


def test_filters_see_it_too(tmp_path: Path, ca: trustme.CA) -> None:
    """As caches do: an answer that says that it depends on it is not another client's."""

    async def main() -> None:
        ca.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
        listeners = tls(issue(tmp_path, "a.example"), client_ca="clients.pem", forward_client_cert=True)
        reply = ok(b"private", "vary: client-cert", "cache-control: max-age=60")
        async with site(tmp_path, reply, chain=[{"cache": {}}], listeners=listeners) as at:
            first, second = client(ca), client(ca)
            seen = []
            for context, certificate in (first, first, second, first):
                url = f"https://127.0.0.1:{at.port}/"
                async with httpx.AsyncClient(verify=context, timeout=PATIENCE) as asking:
                    await asking.get(url, headers={"host": "a"}, extensions={"sni_hostname": "a.example"})
                seen.append((len(at.asked), told(at) == [certificate]))
            assert seen == [(1, True), (1, True), (2, True), (2, False)]

    asyncio.run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_that_is_resumed_has_the_certificate_it_began_with(
    tmp_path: Path, ca: trustme.CA, version: ssl.TLSVersion
) -> None:
    """RFC 9440 §3.3: or else an origin hears now and then that there is none."""

    def twice(context: ssl.SSLContext, port: int) -> list[bool]:
        session, reused = None, []
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port), PATIENCE) as connection,
                context.wrap_socket(connection, server_hostname="a.example", session=session) as tls,
            ):
                tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert tls.recv(15) == b"HTTP/1.1 200 OK"
                session = tls.session
                reused.append(bool(tls.session_reused))
        return reused

    async def main() -> None:
        context, certificate = client(ca)
        context.maximum_version = version
        async with proxy(tmp_path, ca, forward_client_cert=True) as at:
            assert await asyncio.to_thread(twice, context, at.port) == [False, True]
            assert [asked.header("client-cert") for asked in at.asked] == [certificate] * 2

    asyncio.run(main())

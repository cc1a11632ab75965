"""TLS as the configuration says it: what is served, what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.server.channel import Refused
from proxy.server.serve import Server
from tests.integration.site import Asked, Site, engine, ok, serving, site
from tests.listening import listening
from tests.tls.certificates import Files, authority, client_context, issue

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


def tls(*files: Files, **more: Any) -> list[dict[str, Any]]:
    return [{"address": "127.0.0.1:0", "tls": {"certificates": [each.option for each in files], **more}}]


async def get(at: Site, context: ssl.SSLContext, name: str = "a.example") -> tuple[bytes, dict[str, Any], str | None]:
    """The answer, the certificate that was shown, and the version of TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port, ssl=context, server_hostname=name)
    try:
        writer.write(GET)
        shown = writer.get_extra_info("ssl_object")
        return await reader.read(), shown.getpeercert(), shown.version()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def names(certificate: dict[str, Any]) -> list[str]:
    return [name for _, name in certificate["subjectAltName"]]


def test_the_origin_hears_of_https(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, ok(), listeners=tls(issue(tmp_path, "a.example"))) as at:
            answer, _, version = await get(at, client_context())
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert version == "TLSv1.3"
            assert at.asked[0].header("x-forwarded-proto") == "https"
            assert at.asked[0].header("forwarded") == "for=127.0.0.1;host=a.example;proto=https"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("a.example", "a.example"),
        ("B.example", "b.example"),
        ("www.c.example", "*.c.example"),
        ("exact.c.example", "exact.c.example"),
    ],
)
def test_certificates_are_chosen_by_name(tmp_path: Path, asked: str, shown: str) -> None:
    async def scenario() -> None:
        files = [issue(tmp_path, name) for name in ("a.example", "b.example", "*.c.example", "exact.c.example")]
        async with site(tmp_path, ok(), listeners=tls(*files)) as at:
            _, certificate, _ = await get(at, client_context(), asked)
            assert names(certificate) == [shown]

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ["other.example", "c.example", "a.b.c.example", "127.0.0.1", ""])
def test_the_first_certificate_is_for_whoever_asks_for_none(tmp_path: Path, asked: str) -> None:
    async def scenario() -> None:
        context = client_context()
        context.check_hostname = False
        files = [issue(tmp_path, "a.example"), issue(tmp_path, "*.c.example")]
        async with site(tmp_path, ok(), listeners=tls(*files)) as at:
            _, certificate, _ = await get(at, context, asked)
            assert names(certificate) == ["a.example"]

    asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_versions(tmp_path: Path) -> None:
    def at_most(version: ssl.TLSVersion) -> ssl.SSLContext:
        context = client_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        return context

    async def scenario() -> None:
        files = issue(tmp_path, "a.example")
        async with site(tmp_path, ok(), listeners=tls(files)) as at:
            _, _, version = await get(at, at_most(ssl.TLSVersion.TLSv1_2))
            assert version == "TLSv1.2"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await get(at, at_most(ssl.TLSVersion.TLSv1_1))
        async with site(tmp_path, ok(), listeners=tls(files, min_version="TLSv1.3")) as at:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await get(at, at_most(ssl.TLSVersion.TLSv1_2))

    asyncio.run(scenario())


def test_a_reload_takes_the_new_certificate(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = issue(tmp_path, "a.example")
        async with site(tmp_path, ok(), listeners=tls(files)) as at:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", at.port, ssl=client_context(), server_hostname="a.example"
            )
            _, before, _ = await get(at, client_context())
            issue(tmp_path, "a.example")
            await at.reload()
            _, after, _ = await get(at, client_context())
            assert before["serialNumber"] != after["serialNumber"]
            writer.write(GET)  # on the connection from before
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(scenario())


def test_a_reload_with_a_wrong_certificate_keeps_the_old(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = issue(tmp_path, "a.example")
        async with site(tmp_path, ok(), listeners=tls(files)) as at:
            files.certificate.write_text("not a certificate")
            with pytest.raises(Refused, match=r"a\.example\.pem: holds no certificate in PEM"):
                await at.reload()
            answer, _, _ = await get(at, client_context())
            assert answer.startswith(b"HTTP/1.1 200 ")

    asyncio.run(scenario())


def _no_certificate(files: Files) -> None:
    files.certificate.unlink()


def _no_key(files: Files) -> None:
    files.key.unlink()


def _key_as_certificate(files: Files) -> None:
    files.certificate.write_bytes(files.key.read_bytes())


def _certificate_as_key(files: Files) -> None:
    files.key.write_bytes(files.certificate.read_bytes())


def _key_of_another(files: Files) -> None:
    files.key.write_bytes(trustme.CA().issue_cert("b").private_key_pem.bytes())


def _key_with_a_password(files: Files) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))


def _in_der(files: Files) -> None:
    found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    files.certificate.write_bytes(found.public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_no_certificate, "5:20: listeners[0].tls.certificates[0].certificate: a.pem: No such file or directory"),
        (_no_key, "6:13: listeners[0].tls.certificates[0].key: a.key: No such file or directory"),
        (_key_as_certificate, "5:20: listeners[0].tls.certificates[0].certificate: a.pem: holds no certificate in PEM"),
        (_in_der, "5:20: listeners[0].tls.certificates[0].certificate: a.pem: holds no certificate in PEM"),
        (_certificate_as_key, "6:13: listeners[0].tls.certificates[0].key: a.key: holds no private key in PEM"),
        (_key_of_another, "6:13: listeners[0].tls.certificates[0].key: a.key: is not the key of a.pem"),
        (_key_with_a_password, "6:13: listeners[0].tls.certificates[0].key: a.key: is encrypted"),
    ],
)
def test_mistakes_have_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[Files], None], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    break_it(issue(Path(), "a.example", name="a"))
    Path("sluice.yaml").write_text(
        "version: 1\n"
        "listeners:\n"
        "- address: 127.0.0.1:0\n"
        "  tls: {certificates: [\n"
        "    {certificate:  a.pem,\n"
        "     key:   a.key}]}\n"
        "routes: [{chain: [{respond: {}}]}]\n"
    )
    with pytest.raises(ConfigErrors) as raised:
        Server(load("sluice.yaml"), engine())
    assert str(raised.value).startswith(f"sluice.yaml:{message}")
    assert len(raised.value.errors) == 1


@contextlib.asynccontextmanager
async def secure_origin(files: Files) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with listening(serving([], ok()), ssl=context) as port:
        yield port


def test_an_origin_over_tls(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with secure_origin(issue(tmp_path, "127.0.0.1")) as port:
            authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            upstream = {"endpoints": [f"https://127.0.0.1:{port}"], "tls": {"ca": "ca.pem"}}
            async with site(tmp_path, ok(), upstreams={"origin": upstream}) as at:
                assert (await at.get("/")).status == 200
                trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
                await at.reload()
                answer = await at.get("/")
                assert answer.status == 502
                assert "tls_certificate_error" in (answer.header("proxy-status") or "")
                (tmp_path / "ca.pem").write_text("nothing")
                with pytest.raises(Refused, match=r"upstreams\.origin\.tls\.ca: .*: holds no certificate in PEM"):
                    await at.reload()

    asyncio.run(scenario())


def test_an_origin_on_a_unix_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        asked: list[Asked] = []
        server = await asyncio.start_unix_server(serving(asked, ok()), tmp_path / "app.sock")
        upstream = {"endpoints": [f"unix:{tmp_path / 'app.sock'}"]}
        async with site(tmp_path, ok(), upstreams={"origin": upstream}) as at:
            assert (await at.get("/x")).status == 200
            assert (asked[0].target, asked[0].header("host")) == ("/x", "site.example")
        server.close()

    asyncio.run(scenario())


def test_an_expired_certificate_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = trustme.CA().issue_cert("a.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    (tmp_path / "a.pem").write_bytes(made.cert_chain_pems[0].bytes())
    (tmp_path / "a.key").write_bytes(made.private_key_pem.bytes())
    listeners = tls(Files(tmp_path / "a.pem", tmp_path / "a.key"))
    config = {"version": 1, "listeners": listeners, "routes": [{"chain": [{"respond": {}}]}]}
    (tmp_path / "sluice.yaml").write_text(yaml.safe_dump(config))
    Server(load(tmp_path / "sluice.yaml"), engine())
    assert "a.pem: expired on 2020-01-01" in caplog.text


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["a.example", "b.example"])
def test_clients_have_to_show_a_certificate(tmp_path: Path, version: ssl.TLSVersion, name: str) -> None:
    known, stranger = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(str(tmp_path / "clients.pem"))

    def client(issuer: trustme.CA | None) -> ssl.SSLContext:
        context = client_context()
        context.maximum_version = version
        if issuer is not None:
            issuer.issue_cert("client@a.example").configure_cert(context)
        return context

    async def scenario() -> None:
        files = [issue(tmp_path, each) for each in ("a.example", "b.example")]
        async with site(tmp_path, ok(), listeners=tls(*files, client_ca="clients.pem")) as at:
            answer, _, _ = await get(at, client(known), name)
            assert answer.startswith(b"HTTP/1.1 200 ")
            for nobody in (client(None), client(stranger)):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await get(at, nobody, name)
            assert len(at.asked) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("nothing", "holds no certificate in PEM")])
def test_authorities_that_are_none(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "clients.pem").write_text(content)
    path = tmp_path / "sluice.yaml"
    listeners = tls(issue(tmp_path, "a.example"), client_ca="clients.pem")
    path.write_text(yaml.safe_dump({"version": 1, "listeners": listeners, "routes": [{"chain": [{"respond": {}}]}]}))
    with pytest.raises(ConfigErrors) as found:
        Server(load(path), engine())
    assert len(found.value.errors) == 1
    assert "listeners[0].tls.client_ca" in str(found.value)
    assert said in str(found.value)


def test_http3_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proxy.codec.quic.identity", None)
    (listener,) = tls(issue(tmp_path, "a.example"))
    path = tmp_path / "sluice.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "listeners": [{**listener, "protocols": ["h2", "h3"]}],
                "routes": [{"chain": [{"respond": {"body": "x"}}]}],
            }
        )
    )
    with pytest.raises(ConfigErrors) as refused:
        Server(load(path), engine())
    assert "protocols[1]: h3 needs aioquic, which is not installed: pip install 'sluicegate[http3]'" in str(
        refused.value
    )

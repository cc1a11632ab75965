"""Connections that come to nothing: what they are called, and how often the log says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from proxy.downstream import Listener, Timeouts
from proxy.downstream.refusals import INTERVAL, Reason, Refusals
from proxy.tls import server_context
from tests.downstream.test_listener import GET, Run, client, listening
from tests.downstream.test_listener import run as run
from tests.downstream.test_secure import secure
from tests.downstream.wire import hello
from tests.patience import PATIENCE
from tests.tls.certificates import authority, client_context, issue

Act = Callable[[Listener], None]


def raw(data: bytes, *, reads: bool = True) -> Act:
    """A client that says this, and leaves when it is answered."""

    def act(listener: Listener) -> None:
        with (
            socket.create_connection(listener.addresses[0], PATIENCE) as connection,
            contextlib.suppress(ConnectionError),
        ):
            connection.sendall(data)
            if reads:
                connection.recv(1000)

    return act


def shaking(**how: object) -> Act:
    """A client that shakes hands, in its own way."""

    def act(listener: Listener) -> None:
        context = client_context()
        for name, value in how.items():
            setattr(context, name, value)
        with (
            socket.create_connection(listener.addresses[0], PATIENCE) as connection,
            contextlib.suppress(ssl.SSLError, ConnectionError),
            context.wrap_socket(connection, server_hostname="a.example") as tls,
        ):
            tls.recv(1)  # TLS 1.3: the client is done before it is refused

    return act


def stranger(listener: Listener) -> None:
    context = client_context()
    trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("b@a.example").configure_cert(context)
    with (
        socket.create_connection(listener.addresses[0], PATIENCE) as connection,
        contextlib.suppress(ssl.SSLError, ConnectionError),
        context.wrap_socket(connection, server_hostname="a.example") as tls,
    ):
        tls.recv(1)


def distrustful(listener: Listener) -> None:
    with (
        socket.create_connection(listener.addresses[0], PATIENCE) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(connection, server_hostname="a.example")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (raw(GET), Reason.TLS_NOT_TLS),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.TLS_NOT_TLS),
        (raw(b""), Reason.TLS_TIMEOUT),
        (raw(b"", reads=False), Reason.TLS_LEFT),
        (raw(b"\x16\x03\x01", reads=False), Reason.TLS_LEFT),
        (distrustful, Reason.TLS_ALERT),
        (shaking(), Reason.TLS_NO_CERTIFICATE),
        (stranger, Reason.TLS_BAD_CERTIFICATE),
        (shaking(maximum_version=ssl.TLSVersion.TLSv1_2), Reason.TLS_VERSION),
    ],
    ids=lambda value: value if isinstance(value, Reason) else "",
)
def test_tls(run: Run, tmp_path: Path, act: Act, reason: Reason) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(
        [issue(tmp_path, "a.example").pair],
        ["http/1.1"],
        min_version=ssl.TLSVersion.TLSv1_3 if reason is Reason.TLS_VERSION else ssl.TLSVersion.TLSv1_2,
        client_ca=tmp_path / "ca.pem",
    )
    timeouts = Timeouts(header=0.1 if reason is Reason.TLS_TIMEOUT else 30)
    assert refused(run, act, tls=context, timeouts=timeouts) == {reason: 1}


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (raw(GET), Reason.PROXY_PROTOCOL_MALFORMED),
        (raw(b"PROXY"), Reason.PROXY_PROTOCOL_TIMEOUT),
        (raw(b"PROXY", reads=False), Reason.PROXY_PROTOCOL_LEFT),
    ],
)
def test_the_proxy_protocol(run: Run, act: Act, reason: Reason) -> None:
    timeouts = Timeouts(header=0.1 if reason is Reason.PROXY_PROTOCOL_TIMEOUT else 30)
    assert refused(run, act, proxy_protocol=True, timeouts=timeouts) == {reason: 1}


def refused(run: Run, act: Act, **options: object) -> dict[str, int]:
    """What is counted of a client that acts like that."""
    counts: Counter[str] = Counter()
    counted = asyncio.Event()

    def count(where: str, reason: str) -> None:
        counts[reason] += 1
        counted.set()

    async def scenario() -> None:
        async with listening(hello, refusals=Refusals("here", count), **options) as listener:
            await asyncio.to_thread(act, listener)
            await counted.wait()
            await listener.left()

    run(scenario)
    return dict(counts)


def test_a_drain_and_a_good_client_are_no_refusals(run: Run, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    refusals = Refusals("here", lambda where, reason: counts.update([reason]))
    context = server_context([issue(tmp_path, "a.example").pair], ["http/1.1"])

    async def scenario() -> None:
        async with (
            listening(hello, refusals=refusals, tls=context) as listener,
            secure(listener, client_context()) as (reader, writer),
            client(listener),
        ):
            writer.write(GET)
            await reader.readuntil(b"hello")
            await listener.drain(1)

    run(scenario)
    assert not counts


def test_too_many(run: Run, tmp_path: Path) -> None:
    context = server_context([issue(tmp_path, "a.example").pair], ["http/1.1"])
    assert refused(run, raw(b""), tls=context, max_connections=0) == {Reason.CONNECTION_LIMIT: 1}
    assert refused(run, raw(b""), proxy_protocol=True, max_connections=0) == {Reason.CONNECTION_LIMIT: 1}


def test_the_log_is_not_flooded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counts: Counter[tuple[str, str]] = Counter()
    refusals = Refusals("[::]:443", lambda where, reason: counts.update([(where, reason)]))
    for second in range(1000):
        refusals.add(Reason.TLS_NOT_TLS, "192.0.2.7", "http request", second / 1000)
        refusals.add(Reason.TLS_LEFT, "192.0.2.7", "it left", second / 1000)
    refusals.add(Reason.TLS_ALERT, "192.0.2.8", "tlsv1 alert unknown ca", 1)
    refusals.add(Reason.TLS_NOT_TLS, "192.0.2.9", "http request", INTERVAL)
    assert caplog.messages == [
        "[::]:443: no connection with 192.0.2.7, tls_not_tls: http request",
        "[::]:443: no connection with 192.0.2.8, tls_alert: tlsv1 alert unknown ca",
        "[::]:443: no connection with 192.0.2.9, tls_not_tls: http request"
        " (and 999 more like it since the last such line)",
    ]
    assert counts == {("[::]:443", "tls_not_tls"): 1001, ("[::]:443", "tls_left"): 1000, ("[::]:443", "tls_alert"): 1}

"""What may become a tunnel, and what is an agreement to it."""

from __future__ import annotations

import pytest

from proxy.http.fields import Fields, Line
from proxy.http.upgrade import Offer, accept, mistake, offered

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
HANDSHAKE = Fields([(b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13")])
ASKED = [(b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"websocket")]
WEBSOCKET = Offer(b"websocket", KEY)


def test_the_accept_of_the_specification() -> None:
    assert accept(KEY) == ACCEPT


def test_a_handshake_of_websocket() -> None:
    assert offered("GET", ASKED, HANDSHAKE) == WEBSOCKET


def test_any_other_protocol_that_is_none_of_http() -> None:
    assert offered("GET", [(b"connection", b"upgrade"), (b"upgrade", b"IRC/6.9")], Fields()) == Offer(b"IRC/6.9", None)


@pytest.mark.parametrize("protocol", [b"h2c", b"H2C", b"h2", b"HTTP/2.0", b"HTTP/1.1", b"TLS/1.2", b"h3"])
def test_never_http_in_another_dress(protocol: bytes) -> None:
    assert offered("GET", [(b"connection", b"upgrade"), (b"upgrade", protocol)], HANDSHAKE) is None


@pytest.mark.parametrize(
    "special",
    [
        [(b"upgrade", b"websocket")],
        [(b"connection", b"upgrade")],
        [(b"connection", b"keep-alive"), (b"upgrade", b"websocket")],
        [(b"connection", b"upgrade"), (b"upgrade", b"websocket, h2c")],
        [(b"connection", b"upgrade"), (b"upgrade", b"h2c, websocket")],
        [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"upgrade", b"h2c")],
        [(b"connection", b"upgrade"), (b"upgrade", b"web socket")],
        [(b"connection", b"upgrade"), (b"upgrade", b"")],
        [(b"connection", b"upgrade"), (b"upgrade", b"a/b/c")],
    ],
)
def test_what_is_not_one_protocol_that_connection_vouches_for(special: list[Line]) -> None:
    assert offered("GET", special, HANDSHAKE) is None


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "get"])
def test_only_get(method: str) -> None:
    assert offered(method, ASKED, HANDSHAKE) is None


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"sec-websocket-key", KEY)],
        [(b"sec-websocket-version", b"13")],
        [(b"sec-websocket-key", KEY), (b"sec-websocket-version", b"777")],
        [(b"sec-websocket-key", b"short"), (b"sec-websocket-version", b"13")],
        [(b"sec-websocket-key", KEY), (b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13")],
    ],
)
def test_not_what_only_looks_like_a_handshake(fields: list[Line]) -> None:
    assert offered("GET", ASKED, Fields(fields)) is None


def test_an_agreement() -> None:
    hop = [(b"connection", b"Upgrade"), (b"upgrade", b"WebSocket ")]
    assert mistake(WEBSOCKET, [(b"sec-websocket-accept", ACCEPT)], hop) is None


@pytest.mark.parametrize(
    ("lines", "hop"),
    [
        ([], ASKED),
        ([(b"sec-websocket-accept", KEY)], ASKED),
        ([(b"sec-websocket-accept", ACCEPT), (b"sec-websocket-accept", ACCEPT)], ASKED),
        ([(b"sec-websocket-accept", ACCEPT)], []),
        ([(b"sec-websocket-accept", ACCEPT)], [(b"upgrade", b"websocket")]),
        ([(b"sec-websocket-accept", ACCEPT)], [(b"connection", b"upgrade"), (b"upgrade", b"h2c")]),
        ([(b"sec-websocket-accept", ACCEPT)], [*ASKED, (b"upgrade", b"h2c")]),
    ],
)
def test_what_is_no_agreement(lines: list[Line], hop: list[Line]) -> None:
    assert mistake(WEBSOCKET, lines, hop)


def test_nobody_asked() -> None:
    assert mistake(None, [(b"sec-websocket-accept", ACCEPT)], ASKED) == "which nobody asked for"

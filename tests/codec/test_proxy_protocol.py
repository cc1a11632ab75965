"""The PROXY protocol, as bytes and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.proxy_protocol import SIGNATURE, Header, parse
from proxy.errors import ProxyError

V4 = bytes((192, 0, 2, 1, 198, 51, 100, 2)) + b"\x12\x34\x01\xbb"
V6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + b"\x12\x34\x01\xbb"
TLV = b"\x04\x00\x02ab"


def v2(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest


@pytest.mark.parametrize(
    ("data", "source", "destination"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", ("192.0.2.1", 4660), ("198.51.100.2", 443)),
        (b"PROXY TCP6 2001:DB8::1 2001:db8::2 0 65535\r\n", ("2001:db8::1", 0), ("2001:db8::2", 65535)),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\n", None, None),
        (v2(0x21, 0x11, V4), ("192.0.2.1", 4660), ("198.51.100.2", 443)),
        (v2(0x21, 0x11, V4 + TLV + TLV), ("192.0.2.1", 4660), ("198.51.100.2", 443)),
        (v2(0x21, 0x21, V6), ("2001:db8::1", 4660), ("2001:db8::2", 443)),
        (v2(0x21, 0x31, bytes(216) + TLV), None, None),
        (v2(0x20, 0x11, V4), None, None),
        (v2(0x20, 0x00, b""), None, None),
        (v2(0x21, 0x00, b"whatever"), None, None),
    ],
)
def test_headers(data: bytes, source: object, destination: object) -> None:
    assert parse(data) == parse(data + b"GET / HTTP/1.1") == Header(len(data), source, destination)  # type: ignore[arg-type]
    assert all(parse(data[:end]) is None for end in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UNKNOWNER\r\n",
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        b"PROXY TCP4 " + b" " * 107,
        v2(0x11, 0x11, V4),
        v2(0x22, 0x11, V4),
        v2(0x21, 0x12, V4),
        v2(0x21, 0x41, V4),
        v2(0x21, 0x11, V4[:-1]),
        v2(0x21, 0x21, V4),
        v2(0x21, 0x31, bytes(215)),
        v2(0x21, 0x11, V4 + TLV[:-1]),
        v2(0x21, 0x11, V4 + b"\x04\x00"),
        v2(0x21, 0x11, V4 + b"\x04\xff\xff"),
        v2(0x21, 0x11, bytes(4097))[:16],
        SIGNATURE[:-1] + b"\r",
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyError, match="PROXY protocol"):
        parse(data)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00"])
)
def test_any_bytes(rest: bytes, start: bytes) -> None:
    try:
        header = parse(start + rest)
    except ProxyError:
        return
    assert header is None or header.size <= len(start + rest)

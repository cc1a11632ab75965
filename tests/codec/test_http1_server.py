"""Bytes in, events out. Hostile input first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.events import Data, End, Event, Preface, RequestHead
from proxy.codec.http1_server import Http1Server
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http.fields import Fields

HOST = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def events(*reads: bytes, limits: Limits | None = None) -> list[Event]:
    """Everything these reads say."""
    codec = Http1Server(limits or Limits(), "here:80")
    found: list[Event] = []
    for data in reads:
        codec.feed(data)
        while some := codec.events():
            found += some
    return found


def refusal(data: bytes, limits: Limits | None = None) -> int:
    """The status of the error that these bytes end in."""
    last = events(data, limits=limits)[-1]
    assert isinstance(last, ProxyError), last
    assert last.failure.type == "http_request_error"
    return last.status


def only_head(data: bytes) -> RequestHead:
    head, end = events(data)
    assert isinstance(head, RequestHead)
    assert isinstance(end, End)
    return head


SMUGGLING = {
    "both lengths": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "both lengths, the other way": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "content-length twice": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "content-length twice, different": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    "content-length as a list": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "content-length with a sign": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "content-length negative": (POST + b"Content-Length: -3\r\n\r\nabc", 400),
    "content-length in hex": (POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    "content-length with a leading zero": (POST + b"Content-Length: 03\r\n\r\nabc", 400),
    "content-length with a space inside": (POST + b"Content-Length: 3 3\r\n\r\nabc", 400),
    "content-length empty": (POST + b"Content-Length:\r\n\r\nabc", 400),
    "content-length of more than 64 bits": (POST + b"Content-Length: 18446744073709551617\r\n\r\n", 400),
    "content-length of more than 63 bits": (POST + b"Content-Length: 9223372036854775808\r\n\r\n", 400),
    "transfer-encoding not chunked": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "transfer-encoding unknown": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "transfer-encoding identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "transfer-encoding empty": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "chunked is not last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "chunked is not alone": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice, in two lines": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "chunked in quotes": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    "chunked with a parameter": (POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
    "chunked after a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in a folded line": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "tab before the colon": (POST + b"Content-Length\t: 3\r\n\r\nabc", 400),
    "folded line": (HOST + b"A: b\r\n c\r\n\r\n", 400),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "folded line with a tab": (HOST + b"A: b\r\n\tc\r\n\r\n", 400),
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF after a field": (HOST + b"A: b\nC: d\r\n\r\n", 400),
    "bare LF as the empty line": (HOST + b"\n", 400),
    "bare LF in front": (b"\n" + HOST + b"\r\n", 400),
    "bare CR in a value": (HOST + b"A: b\rc\r\n\r\n", 400),
    "bare CR in a name": (HOST + b"A\rB: c\r\n\r\n", 400),
    "bare CR in the target": (b"GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bare CR in front": (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CR CR LF": (HOST + b"A: b\r\r\n\r\n", 400),
    "NUL in a value": (HOST + b"A: b\0c\r\n\r\n", 400),
    "NUL in a name": (HOST + b"A\0: b\r\n\r\n", 400),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "control character in a value": (HOST + b"A: b\x7f\r\n\r\n", 400),
    "no colon": (HOST + b"A\r\n\r\n", 400),
    "no name": (HOST + b": b\r\n\r\n", 400),
    "name that is no token": (HOST + b"A(b): c\r\n\r\n", 400),
    "name that is not ASCII": (HOST + "Ä: c\r\n\r\n".encode(), 400),
    "host missing": (b"GET / HTTP/1.1\r\nA: b\r\n\r\n", 400),
    "no field at all": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "host twice": (HOST + b"Host: a\r\n\r\n", 400),
    "host empty": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "host as a list": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with user information": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "host with a bad port": (b"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400),
    "host not ASCII": (b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n", 400),
    "host too long": (b"GET / HTTP/1.1\r\nHost: " + b"a" * 300 + b"\r\n\r\n", 400),
    "host and target disagree": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "host and target disagree about the port": (b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target with user information": (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target of another scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target without authority": (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target neither path nor URI": (b"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "asterisk for GET": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target with a fragment": (b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target with a space": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target not ASCII": (b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces before the target": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces after the target": (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space after the version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "space before the method": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab after the method": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "method that is no token": (b"G{T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "version in small letters": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01", 400),
    "method unknown": (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "method in small letters": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9 with a number": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.10": (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "RTSP": (b"OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n", 505),
    "ICE": (b"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n", 505),
    "expectation unknown": (POST + b"Expect: tea\r\nContent-Length: 1\r\n\r\n", 417),
    "chunk size missing": (CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with a sign": (CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size negative": (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with a space in front": (CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with a space after": (CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with underscore": (CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size too large": (CHUNKED + b"10000000000000000\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with endless zeros": (CHUNKED + b"0" * 40 + b"3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size ended by LF": (CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400),
    "chunk size ended by CR CR": (CHUNKED + b"3\r\rabc\r\n0\r\n\r\n", 400),
    "chunk ended by LF": (CHUNKED + b"3\r\nabc\n0\r\n\r\n", 400),
    "chunk longer than its size": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunk shorter than its size": (CHUNKED + b"3\r\nab\r\n0\r\n\r\n", 400),
    "chunk extension with LF": (CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", 400),
    "chunk extension with CR": (CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n", 400),
    "chunk extension too long": (CHUNKED + b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n", 400),
    "chunk extension that never ends": (CHUNKED + b"3;" + b"a" * 5000, 400),
    "too many chunk extensions": (CHUNKED + (b"1;" + b"a" * 100 + b"\r\na\r\n") * 50, 400),
    "last chunk ended by LF": (CHUNKED + b"0\n\n", 400),
    "trailer with a space before the colon": (CHUNKED + b"0\r\nA : b\r\n\r\n", 400),
    "trailer with a length": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    "trailer with a coding": (CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "trailer folded": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
    "trailer ended by LF": (CHUNKED + b"0\r\nA: b\n\r\n\r\n", 400),
}


@pytest.mark.parametrize(("data", "status"), SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_could_be_read_in_two_ways_is_refused(data: bytes, status: int) -> None:
    assert refusal(data) == status


@pytest.mark.parametrize(("data", "status"), SMUGGLING.values(), ids=SMUGGLING.keys())
def test_the_same_byte_by_byte(data: bytes, status: int) -> None:
    last = events(*(data[i : i + 1] for i in range(len(data))))[-1]
    assert isinstance(last, ProxyError)
    assert last.status == status


PREFACE = b"PRI * HTTP/2.0\r\n\r\n"


def test_a_client_that_begins_with_http2_is_not_answered_in_http1() -> None:
    (event,) = events(PREFACE[:5], PREFACE[5:] + b"SM\r\n\r\n\0\0\0")
    assert isinstance(event, Preface)
    assert event.data == PREFACE + b"SM\r\n\r\n\0\0\0"
    assert event.otherwise.status == 505


def test_http2_begins_a_connection_and_nothing_else() -> None:
    assert refusal(HOST + b"\r\n" + PREFACE) == 505
    assert refusal(PREFACE.replace(b"\r\n\r\n", b"\r\nHost: a\r\n\r\n")) == 505


def test_nothing_is_a_request_after_a_refusal() -> None:
    assert len(events(b"GET / HTTP/1.1\r\n\r\n", HOST + b"\r\n")) == 1


LIMITS = Limits(request_line=30, field_section=40, field_lines=4, body=10)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 17 + b" HTTP/1.1\r\n", 414),
        (b"GET /" + b"a" * 30, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 27 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 40, 431),
        (HOST + b"A: 1\r\n" * 5 + b"\r\n", 431),
        (POST + b"Content-Length: 11\r\n\r\n", 413),
        (CHUNKED + b"5\r\naaaaa\r\n6\r\n", 413),
        (CHUNKED + b"0\r\n" + b"A: 1\r\n" * 5 + b"\r\n", 431),
        (CHUNKED + b"0\r\nA: " + b"b" * 40, 431),
    ],
)
def test_more_than_allowed(data: bytes, status: int) -> None:
    assert refusal(data, LIMITS) == status


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 16 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 26 + b"\r\n\r\n",
        HOST + b"A: 1\r\n" * 4 + b"\r\n",
        POST + b"Content-Length: 10\r\n\r\naaaaaaaaaa",
        CHUNKED + b"5\r\naaaaa\r\n5\r\naaaaa\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n" + b"A: 1\r\n" * 4 + b"\r\n",
    ],
)
def test_as_much_as_allowed(data: bytes) -> None:
    assert isinstance(events(data, limits=LIMITS)[-1], End)


def test_a_head() -> None:
    head = only_head(
        b"GET /a%20b/../c?d=e&f HTTP/1.1\r\nHOST: Example.COM:8080\r\n"
        b"Accept:  */* \t\r\nX-Bytes: \xe4\xff\r\nEmpty:\r\n\r\n"
    )
    assert head == RequestHead(
        "GET", "example.com:8080", "/a%20b/../c", "d=e&f",
        Fields([(b"accept", b"*/*"), (b"x-bytes", b"\xe4\xff"), (b"empty", b"")]),
        0, "1.1", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "authority", "path", "query"),
    [
        (b"GET / HTTP/1.1", "a", "/", None),
        (b"GET /? HTTP/1.1", "a", "/", ""),
        (b"GET /?? HTTP/1.1", "a", "/", "?"),
        (b"GET //b/c HTTP/1.1", "a", "//b/c", None),
        (b"GET http://a HTTP/1.1", "a", "/", None),
        (b"GET HTTP://A/b?c HTTP/1.1", "a", "/b", "c"),
        (b"GET https://a?c HTTP/1.1", "a", "/", "c"),
        (b"GET http://a/b?c=http://d/ HTTP/1.1", "a", "/b", "c=http://d/"),
        (b"OPTIONS * HTTP/1.1", "a", "*", None),
        (b'GET /|^{}"<>\\` HTTP/1.1', "a", '/|^{}"<>\\`', None),
    ],
)
def test_targets(line: bytes, authority: str, path: str, query: str | None) -> None:
    head = only_head(line + b"\r\nHost: a\r\n\r\n")
    assert (head.authority, head.path, head.query) == (authority, path, query)


def test_hosts() -> None:
    for host in (b"[::1]", b"[2001:db8::1]:8080", b"127.0.0.1", b"xn--bcher-kva.example", b"a_b"):
        assert only_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").authority == host.decode()


def test_http_1_0_without_host_is_for_us() -> None:
    assert only_head(b"GET / HTTP/1.0\r\n\r\n").authority == "here:80"
    assert only_head(b"GET http://b/ HTTP/1.0\r\n\r\n").authority == "b"


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"Connection: keep-alive, close\r\n", False),
        (b"1.1", b"Connection: a\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_whether_the_connection_goes_on(version: bytes, connection: bytes, keep_alive: bool) -> None:
    head = only_head(b"GET / HTTP/" + version + b"\r\nHost: a\r\n" + connection + b"\r\n")
    assert head.keep_alive is keep_alive
    assert head.version == version.decode()
    assert head.fields.lines == []


def test_hop_by_hop_fields_are_gone() -> None:
    head = only_head(
        HOST + b"Connection: X-Mine, upgrade, te\r\nX-Mine: 1\r\nX-Yours: 2\r\nKeep-Alive: 5\r\nUpgrade: websocket\r\n"
        b"TE: trailers, gzip\r\nProxy-Connection: x\r\nTrailer: a\r\n\r\n"
    )
    assert head.fields.lines == [(b"x-yours", b"2"), (b"trailer", b"a"), (b"te", b"trailers")]


def test_content_length_stays_and_cannot_be_named_away() -> None:
    head, data, end = events(POST + b"Connection: content-length, host\r\nContent-Length: 3\r\n\r\nabc")
    assert isinstance(head, RequestHead)
    assert head.fields.lines == [(b"content-length", b"3")]
    assert (head.length, data, end) == (3, Data(b"abc"), End())


def test_transfer_encoding_does_not_stay() -> None:
    chunks = b'3\r\nabc\r\n00a;x="y;z"\r\n0123456789\r\n0\r\n\r\n'
    head, *rest = events(POST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks)
    assert isinstance(head, RequestHead)
    assert (head.length, head.fields.lines) == (None, [])
    assert rest == [Data(b"abc"), Data(b"0123456789"), End()]


def test_trailers() -> None:
    *_, end = events(CHUNKED + b"0\r\nX-Sum: 7 \r\nAuthorization: x\r\nHost: b\r\n\r\n")
    assert end == End(Fields([(b"x-sum", b"7")]))


def test_expectation_stays_but_not_in_http_1_0() -> None:
    head, *_ = events(POST + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")
    assert isinstance(head, RequestHead)
    assert head.fields.get(b"expect") == b"100-Continue"
    head, *_ = events(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert isinstance(head, RequestHead)
    assert head.fields.lines == [(b"content-length", b"1")]


@pytest.mark.parametrize("upgrade", [b"h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"websocket"])
@pytest.mark.parametrize(
    "body",
    [b"\r\n", b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
)
def test_an_upgrade_is_an_ordinary_request(upgrade: bytes, body: bytes) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\n"
    first, *_, end, second, last = events(POST + offer + body + HOST + b"\r\n")
    assert isinstance(first, RequestHead)
    assert isinstance(second, RequestHead)
    assert b"upgrade" not in first.fields
    assert b"http2-settings" not in first.fields
    assert (second.method, end, last) == ("GET", End(), End())


def test_each_call_tells_of_one_request_only() -> None:
    codec = Http1Server(Limits(), "here")
    codec.feed(HOST + b"\r\n" + CHUNKED + b"1\r\na\r\n0\r\n\r\n\r\n" + HOST + b"\r\nGET")
    assert [[type(e).__name__ for e in codec.events()] for _ in range(4)] == [
        ["RequestHead", "End"],
        ["RequestHead", "Data", "End"],
        ["RequestHead", "End"],
        [],
    ]
    assert codec.pending


def test_empty_lines_in_front_are_no_request() -> None:
    codec = Http1Server(Limits(), "here")
    codec.feed(b"\r\n\r\n")
    assert codec.events() == []
    assert not codec.pending


ORDINARY = [
    HOST + b"\r\n",
    POST + b"Content-Length: 5\r\n\r\nabcde",
    POST + b"Content-Length: 0\r\n\r\n",
    CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n",
    POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nz",
    b"\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]


def whole(found: list[Event]) -> list[Event]:
    """With the pieces of each body together."""
    merged: list[Event] = []
    for event in found:
        if isinstance(event, Data) and merged and isinstance(merged[-1], Data):
            merged[-1] = Data(merged[-1].data + event.data)
        else:
            merged.append(event)
    return merged


@given(
    st.lists(st.sampled_from([*ORDINARY, *(data for data, _ in SMUGGLING.values())]), min_size=1, max_size=5),
    st.lists(st.integers(0, 800)),
)
def test_the_reads_do_not_matter(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(messages)
    at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    expected = whole(events(data))
    found = whole(events(*(data[i:j] for i, j in itertools.pairwise(at))))
    assert [type(event) for event in found] == [type(event) for event in expected]
    assert found[:-1] == expected[:-1]
    if isinstance(expected[-1], ProxyError):
        assert isinstance(found[-1], ProxyError)
        assert found[-1].status == expected[-1].status
    else:
        assert found[-1] == expected[-1]


FRAGMENTS = st.sampled_from(
    [
        b"GET ", b"POST ", b"/", b"*", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ",
        b"\0", b"Host: a\r\n", b"Content-Length: 3\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n",
        b"3", b"0", b"abc", b":", b";", b"\xff",
    ]
)  # fmt: skip


@given(st.lists(FRAGMENTS | st.binary(max_size=8)))
def test_any_bytes_have_a_defined_answer(pieces: list[bytes]) -> None:
    for event in events(*pieces):
        assert isinstance(event, RequestHead | Data | End | ProxyError)


def test_many_small_requests_in_one_read_take_linear_time() -> None:
    one = b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"
    assert len(events(one * 10_000)) == 20_000
    assert len(events(CHUNKED + b"1\r\na\r\n" * 40_000)) == 40_001


PLAIN = b"GET /a?b HTTP/1.1\r\nHost: A\r\nX: y\r\nCookie: c\r\n\r\n"
LIKE_IT = st.sampled_from([
    PLAIN,
    PLAIN.replace(b"/a?b", b"/"),
    PLAIN.replace(b"/a?b", b"/ b"),
    PLAIN.replace(b"/a?b", b"/a#b"),
    PLAIN.replace(b"/a?b", b"/\x80"),
    PLAIN.replace(b"/a?b", b"/ HTTP/1.1\r\nHost: b"),
    PLAIN.replace(b"/a?b", b"//"),
    PLAIN.replace(b"/a?b", b"http://a/a"),
    PLAIN.replace(b"/a?b", b"http://b/a"),
    PLAIN.replace(b"/a?b", b"*"),
    PLAIN.replace(b"1.1", b"1.0"),
    PLAIN.replace(b"GET", b"get"),
    PLAIN.replace(b"GET", b"POST"),
    PLAIN.replace(b"GET", b"CONNECT"),
    PLAIN.replace(b"X: y", b"Content-Length: 0"),
    PLAIN.replace(b"X: y", b"Connection: close"),
    PLAIN.replace(b"X: y", b"X : y"),
    PLAIN.replace(b"Cookie: c", b"Host: a"),
    PLAIN.removeprefix(b"GET "),
    PLAIN[:20] + PLAIN[21:],
])  # fmt: skip


def lasting(data: bytes) -> bool:
    """A request after which the connection goes on."""
    head = events(data)[0]
    return isinstance(head, RequestHead) and head.keep_alive


@given(st.lists(LIKE_IT.filter(lasting), min_size=1), LIKE_IT)
def test_what_went_before_changes_nothing(before: list[bytes], last: bytes) -> None:
    after = events(*before, last)[2 * len(before) :]
    assert [str(event) for event in after] == [str(event) for event in events(last)]

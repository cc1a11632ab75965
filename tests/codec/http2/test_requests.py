"""Header sections in, requests or refusals out. Hostile input first."""

from __future__ import annotations

import pytest

from proxy.codec.events import Data, End, RequestHead, Reset
from proxy.codec.limits import Limits
from proxy.http.fields import Fields
from tests.codec.http2.talk import Talk, request, with_field, with_pseudo
from tests.codec.http2.wire import (
    DATA,
    GET,
    PADDED,
    POST,
    Line,
    data,
    frame,
    headers,
)

SMUGGLING: dict[str, list[Line]] = {
    # Kettle, HTTP/2: The Sequel is Always Worse (2021), and what has followed it
    "H2.TE": with_field("transfer-encoding", "chunked"),
    "H2.TE in capitals": with_field("Transfer-Encoding", "chunked"),
    "H2.TE identity": with_field("transfer-encoding", "identity"),
    "H2.TE with a space in the name": with_field("transfer-encoding ", "chunked"),
    "H2.TE with a colon in the name": with_field("transfer-encoding:", "chunked"),
    "H2.CL without a body": with_field("content-length", "5"),
    "H2.CL twice": [*GET, ("content-length", "0"), ("content-length", "0")],
    "H2.CL with a sign": with_field("content-length", "+0"),
    "H2.CL with a leading zero": with_field("content-length", "00"),
    "H2.CL as a list": with_field("content-length", "0, 0"),
    "H2.CL in hex": with_field("content-length", "0x0"),
    "H2.CL empty": with_field("content-length", ""),
    "CRLF in a value": with_field("x", "a\r\ntransfer-encoding: chunked"),
    "LF in a value": with_field("x", "a\ntransfer-encoding: chunked"),
    "CR in a value": with_field("x", "a\rb"),
    "NUL in a value": with_field("x", "a\0b"),
    "CRLF at the end of a value": with_field("x", "a\r\n"),
    "CRLF in a name": with_field("x: a\r\ntransfer-encoding", "chunked"),
    "LF in a name": with_field("x\ny", "a"),
    "colon in a name": with_field("x: a\r\nhost", "b"),
    "colon at the end of a name": with_field("host:", "b"),
    "space in a name": with_field("x y", "a"),
    "a name in capitals": with_field("X", "a"),
    "a name of a byte that is no character": with_field(b"x\xff", "a"),
    "an empty name": with_field("", "a"),
    "space before a value": with_field("x", " a"),
    "tab behind a value": with_field("x", "a\t"),
    "CRLF in the method": with_pseudo(method="GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx: "),
    "space in the method": with_pseudo(method="GET /admin HTTP/1.1"),
    "colon in the method": with_pseudo(method="GET:"),
    "empty method": with_pseudo(method=""),
    "no method": with_pseudo(method=None),
    "CRLF in the path": with_pseudo(path="/ HTTP/1.1\r\nHost: evil\r\n\r\n"),
    "LF in the path": with_pseudo(path="/\nx"),
    "NUL in the path": with_pseudo(path="/\0"),
    "space in the path": with_pseudo(path="/ HTTP/1.1"),
    "fragment in the path": with_pseudo(path="/#x"),
    "fragment in the query": with_pseudo(path="/?a#x"),
    "bytes beyond ASCII in the path": with_pseudo(path="/\xff"),
    "path that is a URI": with_pseudo(path="http://evil/"),
    "path that is an authority": with_pseudo(path="evil:80"),
    "path that is relative": with_pseudo(path="x"),
    "path of a query alone": with_pseudo(path="?x"),
    "path empty": with_pseudo(path=""),
    "path of an asterisk without OPTIONS": with_pseudo(path="*"),
    "no path": with_pseudo(path=None),
    "scheme that is a URI": with_pseudo(scheme="http://evil/?"),
    "scheme with CRLF": with_pseudo(scheme="http\r\nx"),
    "scheme unknown": with_pseudo(scheme="ftp"),
    "no scheme": with_pseudo(scheme=None),
    "host is not the authority": with_field("host", "b"),
    "host twice": [*GET, ("host", "a"), ("host", "a")],
    "authority with user": with_pseudo(authority="x@a"),
    "authority with CRLF": with_pseudo(authority="a\r\nx: y"),
    "authority with a path": with_pseudo(authority="a/b"),
    "authority with a space": with_pseudo(authority="a b"),
    "authority empty": with_pseudo(authority=""),
    "neither authority nor host": with_pseudo(authority=None),
    "method twice": [(":method", "GET"), *GET],
    "path twice": [*GET, (":path", "/admin")],
    "authority twice": [*GET, (":authority", "b")],
    "scheme twice": [*GET, (":scheme", "https")],
    "pseudo-header behind a field": [*GET[:3], ("x", "a"), GET[3]],
    "pseudo-header behind a cookie": [*GET[:3], ("cookie", "a"), GET[3]],
    "pseudo-header of responses": [*GET, (":status", "200")],
    "pseudo-header unknown": [*GET, (":protocol", "websocket")],
    "pseudo-header with CRLF": [*GET, (":path\r\nx", "a")],
    "connection": with_field("connection", "close"),
    "connection that names a field": with_field("connection", "cookie"),
    "keep-alive": with_field("keep-alive", "timeout=5"),
    "proxy-connection": with_field("proxy-connection", "keep-alive"),
    "upgrade to h2c": [*GET, ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")],
    "http2-settings": with_field("http2-settings", "AAMAAABkAAQAAP__"),
    "te with more than trailers": with_field("te", "trailers, chunked"),
    "extended CONNECT": [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]],
}


@pytest.mark.parametrize("lines", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_could_become_another_request_further_on_is_refused(lines: list[Line]) -> None:
    (event,), said = request(lines)
    assert isinstance(event, Reset)
    assert event.error.failure.type == "http_request_error"
    assert said == ["1 RST_STREAM PROTOCOL_ERROR"]


def test_a_body_is_as_long_as_it_says() -> None:
    for pieces in (["abcd"], ["abc", "d"], ["ab"]):
        talk = Talk()
        wire = b"".join(data(1, each.encode(), end=each is pieces[-1]) for each in pieces)
        *_, last = talk.receive(headers(1, [*POST, ("content-length", "3")], end=False) + wire)
        assert isinstance(last, Reset)
        assert talk.said() == ["1 RST_STREAM PROTOCOL_ERROR"]


def test_trailers_end_a_body_that_is_too_short() -> None:
    talk = Talk()
    *_, last = talk.receive(headers(1, [*POST, ("content-length", "3")], end=False) + headers(1, [("x", "y")]))
    assert isinstance(last, Reset)


@pytest.mark.parametrize(
    "lines", [[(":path", "/")], [("X", "a")], [("transfer-encoding", "chunked")], [("x", "a\r\nb: c")]], ids=str
)
def test_trailers_that_are_none(lines: list[Line]) -> None:
    talk = Talk()
    *_, last = talk.receive(headers(1, POST, end=False) + headers(1, lines))
    assert isinstance(last, Reset)
    assert talk.said() == ["1 RST_STREAM PROTOCOL_ERROR"]


SMALL = Limits(request_line=30, field_section=400, field_lines=4, body=10)

ANSWERED = {
    "too many fields": ([*GET, *[("x", "a")] * 5], 431),
    "too much of fields": ([*GET, ("x", "a" * 300)], 431),
    "a path that is too long": (with_pseudo(path="/" + "x" * 30), 414),
    "a body that is too long": ([*POST, ("content-length", "11")], 413),
    "CONNECT": ([(":method", "CONNECT"), (":authority", "a:443")], 501),
    "TRACE": (with_pseudo(method="TRACE"), 501),
    "a method in small letters": (with_pseudo(method="get"), 501),
    "an expectation unknown": ([*POST, ("expect", "tea")], 417),
}


@pytest.mark.parametrize(("lines", "status"), ANSWERED.values(), ids=ANSWERED.keys())
def test_what_is_answered_though_it_is_refused(lines: list[Line], status: int) -> None:
    (event,), said = request(lines, end=lines[0] != POST[0], limits=SMALL)
    assert isinstance(event, Reset)
    assert (event.answerable, event.error.status, said) == (True, status, [])


def test_a_body_beyond_the_limit_that_did_not_say_so() -> None:
    talk = Talk(SMALL)
    *_, last = talk.receive(headers(1, POST, end=False) + data(1, b"x" * 8) + data(1, b"x" * 8))
    assert isinstance(last, Reset)
    assert (last.answerable, last.error.status) == (True, 413)
    assert talk.receive(data(1, b"x" * 8, end=True)) == []


def test_a_request() -> None:
    lines: list[Line] = [*GET, ("accept", "*/*"), ("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2")]
    events, said = request([*lines[:3], (":path", "/x?y=z"), *lines[4:]])
    assert events == [
        RequestHead(
            "GET",
            "a",
            "/x",
            "y=z",
            Fields([(b"accept", b"*/*"), (b"cookie", b"a=1; b=2"), (b"te", b"trailers")]),
            0,
            "2",
            True,
            1,
        ),
        End(None, 1),
    ]
    assert said == []


def test_targets() -> None:
    for method, path, expected in (
        ("GET", "/", ("/", None)),
        ("GET", "/?", ("/", "")),
        ("GET", "//x/../y?a?b", ("//x/../y", "a?b")),
        ("OPTIONS", "*", ("*", None)),
        ("OPTIONS", "/x", ("/x", None)),
    ):
        (head, _), _ = request(with_pseudo(method=method, path=path))
        assert isinstance(head, RequestHead)
        assert (head.path, head.query) == expected


def test_the_authority_may_be_a_host() -> None:
    for lines in (with_pseudo(authority="A:80"), [*with_pseudo(authority=None), ("host", "A:80")]):
        (head, _), _ = request(lines)
        assert isinstance(head, RequestHead)
        assert (head.authority, head.fields) == ("a:80", Fields())


def test_a_body_with_padding_and_trailers() -> None:
    talk = Talk()
    wire = headers(1, POST, end=False) + frame(DATA, PADDED, 1, b"\x02ab\0\0") + headers(1, [("x", "y"), ("host", "b")])
    head, *rest = talk.receive(wire)
    assert isinstance(head, RequestHead)
    assert head.length is None
    assert rest == [Data(b"ab", 1), End(Fields([(b"x", b"y")]), 1)]

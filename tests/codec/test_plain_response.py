"""What is read without llhttp is read as llhttp reads it."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec import http1_client
from proxy.codec.events import ResponseHead
from proxy.codec.http1_client import MAX_SECTION, Http1Client
from proxy.codec.plain_response import _HEADS, plain_head
from proxy.http.fields import Fields
from tests.compiled import no_patch

PLAIN = (
    b"HTTP/1.1 200 OK\r\nServer:x\r\nX-A: \t b c\t\r\n"
    b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2"
)


def test_a_plain_head() -> None:
    fields = Fields([(b"server", b"x"), (b"x-a", b"b c"), (b"content-length", b"2")])
    head = ResponseHead(200, fields, 2, "1.1", True)
    assert plain_head(PLAIN + b"\r\n\r\nhi", MAX_SECTION) == (head, len(PLAIN) + 4)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n",
        PLAIN + b"\r\nContent-Length: 2\r\n\r\n",
        PLAIN + b"\r\nTransfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"\r\nConnection: close\r\n\r\n",
        PLAIN + b"\r\nUpgrade: h2c\r\n\r\n",
        PLAIN + b"\r\nx : y\r\n\r\n",
        PLAIN + b"\r\nx: y\r\n z\r\n\r\n",
        PLAIN + b"\r\nx: \0\r\n\r\n",
        PLAIN + b"\r\nx: y\n\r\n\r\n",
        PLAIN + b", 2\r\n\r\n",
        PLAIN + b"\r\n",
        PLAIN + b"\r\nx: " + b"y" * MAX_SECTION + b"\r\n\r\n",
    ],
)
def test_all_else_is_left_to_llhttp(data: bytes) -> None:
    assert plain_head(data, MAX_SECTION) is None


LINES = st.sampled_from(
    [b"Content-Length: 5", b"content-length:0", b"Content-Length: 05", b"Connection: keep-alive", b"Connection: x-a",
     b"Connection: close", b"Keep-Alive: 1", b"X-A: 1", b"x-b:\t\x80 \t", b"x-c: a\tb", b"x-d: \x01", b"x-e: \x7f",
     b"Date: Sun, 06 Nov 1994 08:49:37 GMT", b"date: Sun, 06 Nov 1994 08:49:38 GMT", b"Date: now",
     b"Date: x\r\nx-k: 3456789 123456789 123", b"Date: Sun, 06 Nov 1994 08:49:3\x01 GMT", b"x f: 1",
     b"Transfer-Encoding: chunked", b"Trailer: x-g", b"x-h:", b":", b" x-i: 1", b"x-j: a\rb"]
)  # fmt: skip


@no_patch
@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404 ", b"HTTP/1.1 500 \xff", b"HTTP/1.1 200 \x01"]),
    st.lists(LINES, max_size=6),
    st.sampled_from([b"", b"hello", b"hello, world", b"5\r\nhello\r\n0\r\n\r\n"]),
    st.integers(0, 200),
)
def test_as_llhttp_reads_it(status_line: bytes, lines: list[bytes], body: bytes, cut: int) -> None:
    data = b"\r\n".join([status_line, *lines, b"Content-Length: 5", b"", body])
    reads = [read for read in (data[:cut], data[cut:]) if read]

    def said() -> tuple[list[str], bool]:
        codec = Http1Client()
        codec.expect("GET")
        events = [str(event) for read in reads for event in codec.receive(read)]
        return [*events, *map(str, codec.receive_eof())], codec.reusable

    quickly = [said() for _ in range(3)]  # one that comes again is kept
    with patch.object(http1_client, "plain_head", lambda data, longest: None):
        assert quickly == [said()] * 3


DATED = b"HTTP/1.1 200 OK\r\nA: 1\r\nDate: Sun, 06 Nov 1994 08:49:%02d GMT\r\nContent-Length: 2\r\n\r\n"


def test_one_that_comes_again_has_its_own_date() -> None:
    said = [plain_head(DATED % second, MAX_SECTION) for second in (1, 2, 3, 3, 4)]
    heads = [one[0] for one in said if one is not None]
    assert [head.fields.get(b"date") for head in heads] == [
        b"Sun, 06 Nov 1994 08:49:%02d GMT" % second for second in (1, 2, 3, 3, 4)
    ]
    assert [[name for name, _ in head.fields] for head in heads] == [[b"a", b"date", b"content-length"]] * 5
    assert heads[2].fields.fixed is heads[3].fields.fixed is not None


def test_a_date_elsewhere_stays_there() -> None:
    date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    first = b"HTTP/1.1 200 OK\r\n" + date + b"B: 1\r\nContent-Length: 2\r\n\r\n"
    second = b"HTTP/1.1 200 OK\r\nB: 1\r\n" + date + b"Content-Length: 2\r\n\r\n"
    for data in (first, first, first, second, second, second, first):
        said = plain_head(data, MAX_SECTION)
        assert said is not None
        names = [name for name, _ in said[0].fields]
        assert names.index(b"date") == (0 if data is first else 1)


def test_what_is_kept_is_bounded() -> None:
    for number in range(5000):
        for _ in range(2):
            assert plain_head(b"HTTP/1.1 200 OK\r\netag: %d\r\ncontent-length: 2\r\n\r\n" % number, MAX_SECTION)
    assert len(_HEADS) <= 2048
    kept = len(_HEADS)
    for _ in range(3):
        assert plain_head(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"y" * 2000 + b"\r\n\r\n", MAX_SECTION)
        assert plain_head(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + b"x: y\r\n" * 40 + b"\r\n", MAX_SECTION)
    assert len(_HEADS) == kept

"""Requests to bytes, and bytes of responses to events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.codec.events import END, Data, End, Event, Interim, ResponseHead
from proxy.codec.http1_client import MAX_INTERIM, MAX_SECTION, Http1Client, encode_head
from proxy.errors import Failure, ProxyError
from proxy.http.fields import Fields, FixedLines, Line

LINES = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"te", b"host", b"content-length", b"transfer-encoding"]),
        st.sampled_from([b"", b"1", b"trailers"]),
    ),
    max_size=4,
)


def head(
    method: str = "GET",
    target: str = "/",
    authority: str = "a.example",
    lines: list[Line] | None = None,
    length: int | None = 0,
) -> bytes:
    return encode_head(method, target, authority, Fields(lines or []), length)


def answer(*reads: bytes, method: str = "GET", eof: bool = False) -> tuple[Http1Client, list[Event]]:
    """The codec after these reads, and all it said."""
    codec = Http1Client()
    codec.expect(method)
    events = [event for data in reads for event in codec.receive(data)]
    if eof:
        events += codec.receive_eof()
    return codec, events


def failure(*reads: bytes, method: str = "GET", eof: bool = False) -> Failure:
    """The row of the error these reads end with."""
    codec, events = answer(*reads, method=method, eof=eof)
    assert isinstance(events[-1], ProxyError)
    assert not codec.reusable
    return events[-1].failure


class TestRequest:
    def test_host_comes_first_and_is_the_authority(self) -> None:
        lines = [(b"accept", b"*/*"), (b"host", b"elsewhere")]
        assert head(lines=lines) == b"GET / HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n"

    def test_a_known_length_is_announced_in_place_of_what_the_fields_say(self) -> None:
        lines = [(b"content-length", b"99"), (b"transfer-encoding", b"gzip")]
        assert head("PUT", lines=lines, length=3) == b"PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 3\r\n\r\n"

    def test_an_unknown_length_is_sent_chunked(self) -> None:
        assert b"\r\ntransfer-encoding: chunked\r\n" in head("POST", length=None)

    @pytest.mark.parametrize(("method", "announced"), [("GET", False), ("DELETE", False), ("POST", True)])
    def test_no_body_is_announced_where_one_is_expected(self, method: str, announced: bool) -> None:
        assert (b"content-length: 0" in head(method)) == announced

    def test_the_offer_to_take_trailers_is_for_this_hop(self) -> None:
        assert b"te: trailers\r\nconnection: te\r\n" in head(lines=[(b"te", b"trailers")])

    @pytest.mark.parametrize(
        ("method", "target", "authority", "lines"),
        [
            ("GET", "/ HTTP/1.1\r\nx: y\r\n\r\nGET /", "a", []),
            ("GET", "/a b", "a", []),
            ("GET ", "/", "a", []),
            ("GET", "/", "a\r\nx: y", []),
            ("GET", "/", "a b", []),
            ("GET", "/\u00e9", "a", []),
            ("GET", "/\n", "a", []),
            ("GET", "/", "a", [(b"x", b"1\r\ny: 2")]),
            ("GET", "/", "a", [(b"x", b"1\n")]),
            ("GET", "/", "a", [(b"x\r", b"1")]),
            ("GET", "/", "a", [(b"x", b"\0")]),
        ],
    )
    def test_nothing_a_stage_made_up_leaves_its_place(
        self, method: str, target: str, authority: str, lines: list[Line]
    ) -> None:
        for fields in (Fields(lines), Fields(FixedLines(lines))):
            with pytest.raises(ProxyError) as caught:
                encode_head(method, target, authority, fields, 0)
            assert caught.value.failure is errors.PROXY_INTERNAL_ERROR

    @given(LINES, LINES, LINES, LINES, st.sampled_from([None, 0, -1, -2]), st.sampled_from([None, 0, 3]))
    def test_lines_that_stay_are_written_as_others(
        self,
        stays: list[Line],
        added: list[Line],
        inner: list[Line],
        last: list[Line],
        changed: int | None,
        length: int | None,
    ) -> None:
        lines = [*stays, *added, *inner, *last[:1]]
        if changed is not None and len(lines) > 1:
            lines[changed] = (b"other", b"1")
        fields = Fields(FixedLines(stays))
        fields.lines, fields.inner = lines, FixedLines(inner)
        for _ in range(2):
            assert encode_head("POST", "/", "a", fields, length) == head("POST", "/", "a", lines, length)


class TestResponse:
    def test_head_body_end(self) -> None:
        codec, events = answer(b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi")
        fields = Fields([(b"server", b"x"), (b"content-length", b"2")])
        assert events == [ResponseHead(200, fields, 2, "1.1", True), Data(b"hi"), END]
        assert codec.reusable

    def test_space_around_a_value_is_not_part_of_it(self) -> None:
        _, events = answer(b"HTTP/1.1 204 No\r\na:\t b c \t\r\nd:\r\n\r\n")
        assert isinstance(events[0], ResponseHead)
        assert events[0].fields.lines == [(b"a", b"b c"), (b"d", b"")]

    def test_chunked(self) -> None:
        codec, events = answer(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\nhi\r\n", b"3\r\n yo\r\n0\r\n\r\n"
        )
        assert events == [ResponseHead(200, Fields(), None, "1.1", True), Data(b"hi"), Data(b" yo"), END]
        assert codec.reusable

    def test_trailers(self) -> None:
        _, events = answer(
            b"HTTP/1.1 200 OK\r\ntrailer: sum\r\ntransfer-encoding: chunked\r\n\r\n0\r\nsum: 1\r\nkeep-alive: 1\r\n\r\n"
        )
        assert events[-1] == End(Fields([(b"sum", b"1")]))

    def test_hop_by_hop_fields_end_here(self) -> None:
        _, events = answer(
            b"HTTP/1.1 200 OK\r\nconnection: x-mine, keep-alive\r\nkeep-alive: timeout=5\r\nx-mine: 1\r\n"
            b"proxy-connection: y\r\nupgrade: h2c\r\nx-yours: 2\r\ncontent-length: 0\r\n\r\n"
        )
        assert isinstance(events[0], ResponseHead)
        assert events[0].fields.lines == [(b"x-yours", b"2"), (b"content-length", b"0")]

    def test_a_body_that_ends_with_the_connection(self) -> None:
        codec, events = answer(b"HTTP/1.1 200 OK\r\n\r\nab", b"c", eof=True)
        assert events == [ResponseHead(200, Fields(), None, "1.1", False), Data(b"ab"), Data(b"c"), END]
        assert not codec.reusable

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_status_without_body(self, status: int) -> None:
        codec, events = answer(b"HTTP/1.1 %d X\r\n\r\n" % status)
        assert events == [ResponseHead(status, Fields(), 0, "1.1", True), END]
        assert codec.reusable

    def test_the_length_in_a_304_is_about_another_response(self) -> None:
        _, events = answer(b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n")
        assert events == [ResponseHead(304, Fields([(b"content-length", b"9")]), 0, "1.1", True), END]

    def test_a_204_has_no_length(self) -> None:
        _, events = answer(b"HTTP/1.1 204 X\r\ncontent-length: 9\r\n\r\n")
        assert events == [ResponseHead(204, Fields(), 0, "1.1", True), END]

    @pytest.mark.parametrize("framing", [b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b""])
    def test_answers_to_head_have_no_body(self, framing: bytes) -> None:
        codec, events = answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n", method="HEAD")
        assert isinstance(events[0], ResponseHead)
        assert events[0].length == 0
        assert events[1:] == [END]
        assert codec.reusable
        codec.expect("GET")
        assert codec.receive(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")[1:] == [Data(b"x"), END]

    def test_interim_responses_come_before_the_final_one(self) -> None:
        codec, events = answer(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x\r\nx: 1\r\n\r\n"
            b"HTTP/1.1 104 New\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        )
        assert events == [
            Interim(100, Fields()),
            Interim(103, Fields([(b"link", b"</a>")])),
            Interim(104, Fields()),
            ResponseHead(204, Fields(), 0, "1.1", True),
            END,
        ]
        assert codec.reusable

    @pytest.mark.parametrize(
        ("first", "keep_alive"),
        [
            (b"HTTP/1.1 204 X\r\n", True),
            (b"HTTP/1.1 204 X\r\nconnection: foo, Close\r\n", False),
            (b"HTTP/1.0 204 X\r\n", False),
            (b"HTTP/1.0 204 X\r\nconnection: Keep-Alive\r\n", True),
            (b"HTTP/1.0 204 X\r\nconnection: keep-alive, close\r\n", False),
        ],
    )
    def test_whether_the_connection_persists(self, first: bytes, keep_alive: bool) -> None:
        codec, events = answer(first + b"\r\n")
        assert isinstance(events[0], ResponseHead)
        assert events[0].keep_alive == codec.reusable == keep_alive

    @pytest.mark.parametrize(
        ("method", "data"),
        [
            ("GET", b"HTTP/1.1 204 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            ("GET", b"HTTP/1.1 204 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("GET", b"HTTP/1.1 200 X\r\ncontent-length: 1\r\n\r\nxy"),
            ("HEAD", b"HTTP/1.1 200 X\r\ncontent-length: 1\r\n\r\nx"),
            ("HEAD", b"HTTP/1.1 200 X\r\ncontent-length: 4\r\n\r\n\r\n\r\n"),
            ("HEAD", b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r"),
            ("HEAD", b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("HEAD", b"HTTP/1.1 200 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ],
    )
    def test_bytes_behind_a_response_spoil_the_connection(self, method: str, data: bytes) -> None:
        codec, events = answer(data, method=method)
        assert isinstance(events[-1], End)
        assert not codec.reusable

    def test_also_when_the_reads_end_in_odd_places(self) -> None:
        codec, events = answer(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r", b"\n5\r", method="HEAD")
        assert events[-1] == END
        assert not codec.reusable


class TestMalformed:
    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"hello\r\n\r\n",
            b"RTSP/1.0 200 OK\r\n\r\n",
            b"ICE/1.0 200 OK\r\n\r\n",
            b"http/1.1 200 OK\r\n\r\n",
            b"HTTP/1.2 200 OK\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/0.9 200 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 600 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\r\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na\xff: b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1 1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551617\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nanything",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ],
    )
    def test_heads(self, data: bytes) -> None:
        assert failure(data) is errors.HTTP_PROTOCOL_ERROR

    @pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"xchunked"])
    def test_transfer_codings_other_than_chunked(self, coding: bytes) -> None:
        data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: " + coding + b"\r\n\r\n"
        assert failure(data) is errors.HTTP_RESPONSE_TRANSFER_CODING

    def test_two_lines_of_transfer_encoding(self) -> None:
        data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"
        assert failure(data) is errors.HTTP_RESPONSE_TRANSFER_CODING

    def test_chunked_in_http_1_0(self) -> None:
        data = b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        assert failure(data) is errors.HTTP_RESPONSE_TRANSFER_CODING

    @pytest.mark.parametrize(
        "body",
        [b"\r\n", b"x\r\n", b"0x1\r\na\r\n", b"-1\r\n", b"1 \r\na\r\n", b"1\na\r\n", b"1\r\nab\r\n", b"1;\na\r\n",
         b"fffffffffffffffff\r\n", b"0\r\na: b\r\n c\r\n\r\n", b"0\r\na b\r\n\r\n", b"0\r\ncontent-length: 1\r\n\r\n"],
    )  # fmt: skip
    def test_chunks(self, body: bytes) -> None:
        data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body
        assert failure(data) is errors.HTTP_RESPONSE_TRANSFER_CODING

    def test_no_answer_at_all(self) -> None:
        assert failure(eof=True) is errors.CONNECTION_TERMINATED

    @pytest.mark.parametrize(
        "data",
        [
            b"H",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        ],
    )
    def test_half_a_response(self, data: bytes) -> None:
        assert failure(data, eof=True) is errors.HTTP_RESPONSE_INCOMPLETE

    def test_a_whole_response_and_then_the_end_of_the_connection_is_no_failure(self) -> None:
        codec, events = answer(b"HTTP/1.1 204 X\r\n\r\n", eof=True)
        assert events[1:] == [END]
        assert not codec.reusable


class TestLimits:
    LONG = b"HTTP/1.1 200 OK\r\na: " + b"x" * MAX_SECTION

    def test_a_head_in_one_read(self) -> None:
        assert failure(self.LONG + b"\r\n\r\n") is errors.HTTP_RESPONSE_HEADER_SECTION_SIZE

    def test_a_head_that_never_ends(self) -> None:
        reads = [self.LONG[i : i + 1000] for i in range(0, len(self.LONG), 1000)]
        assert failure(*reads) is errors.HTTP_RESPONSE_HEADER_SECTION_SIZE

    def test_a_long_body_is_none_of_it(self) -> None:
        body = b"x" * 3 * MAX_SECTION
        _, events = answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert events[1:] == [Data(body), END]

    CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"

    def test_trailers(self) -> None:
        long = b"0\r\na: " + b"x" * MAX_SECTION
        assert failure(self.CHUNKED, long + b"\r\n\r\n") is errors.HTTP_RESPONSE_TRAILER_SECTION_SIZE
        assert failure(self.CHUNKED, long) is errors.HTTP_RESPONSE_TRAILER_SECTION_SIZE
        assert failure(self.CHUNKED + long + b"\r\n\r\n") is errors.HTTP_RESPONSE_TRAILER_SECTION_SIZE

    def test_a_chunk_extension_that_never_ends(self) -> None:
        assert failure(self.CHUNKED, b"1;" + b"x" * MAX_SECTION) is errors.HTTP_RESPONSE_TRAILER_SECTION_SIZE

    def test_interim_responses_without_end(self) -> None:
        data = b"HTTP/1.1 102 Processing\r\n\r\n"
        _, events = answer(data * MAX_INTERIM)
        assert len(events) == MAX_INTERIM
        assert failure(data * (MAX_INTERIM + 1)) is errors.HTTP_PROTOCOL_ERROR


RESPONSES = [
    (b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 12\r\n\r\nhello, world", "GET"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7;a\r\n, world\r\n0\r\nx: y\r\n\r\n", "POST"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello, world", "GET"),
    (b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\nHTTP/1.1 304 Not Modified\r\netag: b\r\n\r\n", "GET"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n", "HEAD"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", "GET"),
]


def told(events: list[Event]) -> list[object]:
    """Events, with the pieces of a body joined and errors by their kind."""
    said: list[object] = []
    for event in events:
        if isinstance(event, Data) and said and isinstance(said[-1], Data):
            said[-1] = Data(said[-1].data + event.data)
        else:
            said.append(event.failure if isinstance(event, ProxyError) else event)
    return said


@given(st.sampled_from(RESPONSES), st.lists(st.integers(0, 120)))
def test_where_reads_end_does_not_matter(response: tuple[bytes, str], cuts: list[int]) -> None:
    data, method = response
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert told(answer(*pieces, method=method, eof=True)[1]) == told(answer(data, method=method, eof=True)[1])


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=20),
            st.sampled_from(
                [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"\r\n", b"\r\n\r\n", b"content-length: 3\r\n",
                 b"transfer-encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"connection: close\r\n"]
            ),
        ),
        max_size=12,
    ),
    st.sampled_from(["GET", "HEAD", "POST"]),
)  # fmt: skip
def test_any_bytes_have_a_defined_answer(reads: list[bytes], method: str) -> None:
    """Any number of heads and pieces, then one end or one error, and nothing behind it."""
    _, events = answer(*reads, method=method, eof=True)
    assert isinstance(events[-1], End | ProxyError)
    assert not any(isinstance(event, End | ProxyError) for event in events[:-1])

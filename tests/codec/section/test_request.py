"""Requests of header sections that come again: what is taken together is read as it would be line by line."""

from __future__ import annotations

import hpack
from hpack.struct import HeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.hpack.decoder import Decoder, Kinds
from proxy.codec.hpack.encoder import Encoder
from proxy.codec.limits import Limits
from proxy.codec.section.kinds import REQUEST, Run
from proxy.codec.section.request import Malformed, request_head, singly, trailers
from proxy.errors import ProxyError
from proxy.http.fields import Line

PSEUDO = [(b":path", b"/a?b"), (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example")]
LINES = [
    *PSEUDO, (b":method", b"POST"), (b":path", b"/"), (b":status", b"200"), (b"accept", b"*/*"), (b"cookie", b"a=1"),
    (b"cookie", b"b=2"), (b"user-agent", b"x"), (b"host", b"a.example"), (b"host", b"b"), (b"content-length", b"3"),
    (b"te", b"trailers"), (b"te", b"gzip"), (b"expect", b"100-continue"), (b"connection", b"close"), (b"a b", b"1"),
    (b"proxy-authorization", b"x"),
]  # fmt: skip


def outcome(decoder: Decoder, block: bytes, limits: Limits, *, end: bool) -> object:
    entries = decoder.decode(block, 10_000)
    assert entries is not None
    try:
        return request_head(entries, 1, end, limits, "2")
    except Malformed as error:
        return str(error)
    except ProxyError as error:
        return error.status, error.detail


@given(
    st.lists(st.lists(st.sampled_from(LINES), max_size=6).map(lambda more: [*PSEUDO, *more]), min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from(LINES), max_size=5), max_size=2), st.integers(1, 4), st.booleans(),
)  # fmt: skip
def test_what_comes_again_is_the_same_request(
    usual: list[list[Line]], unusual: list[list[Line]], most: int, end: bool
) -> None:
    limits = Limits(field_lines=most)
    encoder = hpack.Encoder()
    ours, alone = Decoder(REQUEST), Decoder(Kinds(REQUEST.entry))
    for lines in [*usual, *usual, *usual, *unusual, *unusual, *unusual]:
        for _ in range(2):
            block = encoder.encode([HeaderTuple(*line) for line in lines])
            assert outcome(ours, block, limits, end=end) == outcome(alone, block, limits, end=end)


def browser(path: bytes) -> list[Line]:
    return [*PSEUDO[1:], (b":path", path), (b"user-agent", b"x"), (b"cookie", b"session=0123456789"), (b"accept", b"*")]


def test_what_a_browser_says_with_each_request_is_known() -> None:
    encoder, decoder = Encoder(indexing=True), Decoder(REQUEST)
    heads = []
    for path in (b"/a", b"/b", b"/c", b"/d", b"/e"):
        entries = decoder.decode(encoder.encode(browser(path)), 10_000)
        assert entries is not None
        heads.append(request_head(entries, 1, True, Limits(), "2"))
    assert [head.path for head in heads] == ["/a", "/b", "/c", "/d", "/e"]
    assert {tuple(head.fields.lines) for head in heads} == {
        ((b"user-agent", b"x"), (b"accept", b"*"), (b"cookie", b"session=0123456789"))
    }
    assert heads[3].fields.fixed is heads[4].fields.fixed is not None


def test_a_run_in_trailers() -> None:
    encoder, decoder = Encoder(indexing=True), Decoder(REQUEST)
    for _ in range(4):
        entries = decoder.decode(encoder.encode([(b"sum", b"1"), (b"other", b"2")]), 10_000)
    assert entries is not None
    assert isinstance(entries[0], Run)
    fields = trailers(singly(entries))
    assert fields is not None
    assert fields.lines == [(b"sum", b"1"), (b"other", b"2")]

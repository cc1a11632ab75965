"""Our decoder beside llhttp's, and what we encode."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.chunked import ChunkedDecoder, encode_chunk, encode_last_chunk
from proxy.codec.events import Data, End, Event
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http.fields import Fields

PIECES = st.sampled_from(
    [b"3", b"0", b"a", b"00", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b";", b";a=b", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n",
     b"A: b\r\n", b" ", b"\t", b"x", b"\xff"]
)  # fmt: skip


class Reference:
    """What llhttp makes of a chunked body: its data, and whether it ended."""

    def __init__(self, body: bytes) -> None:
        self.data = b""
        self.ended = self.refused = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for i in range(len(body)):
                parser.feed_data(body[i : i + 1])
                if self.ended:
                    break
        except httptools.HttpParserError:
            self.refused = True

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_message_complete(self) -> None:
        self.ended = True


@given(st.lists(PIECES).map(b"".join))
def test_what_llhttp_refuses_is_refused_and_the_rest_is_the_same(body: bytes) -> None:
    reference = Reference(body)
    events: list[Event] = []
    decoder = ChunkedDecoder(Limits())
    try:
        decoder.decode(body, 0, events)
    except ProxyError:
        return  # we may be stricter
    assert decoder.over is reference.ended
    assert b"".join(event.data for event in events if isinstance(event, Data)) == reference.data


@given(st.lists(st.binary(min_size=1)), st.lists(st.integers(0, 100)))
def test_what_is_encoded_is_decoded(chunks: list[bytes], cuts: list[int]) -> None:
    trailers = Fields([(b"x-sum", b"1")])
    data = b"".join(map(encode_chunk, chunks)) + encode_last_chunk(trailers) + b"more"
    decoder = ChunkedDecoder(Limits())
    events: list[Event] = []
    at = 0
    for end in [*sorted(cuts), len(data)]:
        at = decoder.decode(data[:end], at, events)
    assert data[at:] == b"more"
    assert events[-1] == End(trailers)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"".join(chunks)


@pytest.mark.parametrize("line", [(b"x", b"a\r\nb"), (b"x", b"a\nb"), (b"x\r", b"a"), (b"x", b"\0")])
def test_trailers_stay_in_their_lines(line: tuple[bytes, bytes]) -> None:
    with pytest.raises(ProxyError, match="CR, LF or NUL"):
        encode_last_chunk(Fields([line]))

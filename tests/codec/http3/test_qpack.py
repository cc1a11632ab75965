"""QPACK beside pylsqpack, another implementation."""

from __future__ import annotations

import pylsqpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.hpack.decoder import Entry
from proxy.codec.http3 import frames
from proxy.codec.http3.qpack import Decoder, QpackError, encode
from proxy.codec.http3.static_table import STATIC
from proxy.errors import ProxyError
from tests.codec.http3.talk import integer

NAMES = st.one_of(st.sampled_from([line[0] for line in STATIC]), st.from_regex(rb"[a-z0-9-]{1,40}", fullmatch=True))
VALUES = st.from_regex(rb"([!-~\x80-\xff]([ -~\x80-\xff]{0,150}[!-~\x80-\xff])?)?", fullmatch=True)
LINES = st.lists(st.one_of(st.sampled_from(STATIC), st.tuples(NAMES, VALUES)), min_size=1, max_size=20)
MUCH = 1 << 20


def lines_of(entries: object) -> list[tuple[bytes, bytes]]:
    assert isinstance(entries, list)
    return [entry.line for entry in entries]


def test_the_static_table_is_the_other_ones() -> None:
    decoder = pylsqpack.Decoder(0, 0)
    for line in STATIC:
        assert decoder.feed_header(0, encode([line])) == (b"", [line])


@given(LINES)
def test_what_we_write_the_other_reads(lines: list[tuple[bytes, bytes]]) -> None:
    assert pylsqpack.Decoder(0, 0).feed_header(0, encode(lines))[1] == lines


@given(st.lists(LINES, max_size=4))
def test_what_the_other_writes_we_read(sections: list[list[tuple[bytes, bytes]]]) -> None:
    encoder, decoder = pylsqpack.Encoder(), Decoder(lambda name, value: Entry((name, value), len(name)))
    for number, lines in enumerate(sections):
        _, section = encoder.encode(number, lines)
        entries = decoder.decode(section, MUCH)
        assert lines_of(entries) == lines
        assert entries is not None
        assert all(
            (entry.kind, entry.size) == (len(name), len(name + value) + 32)
            for entry, (name, value) in zip(entries, lines, strict=True)
        )
        assert lines_of(decoder.decode(section, MUCH)) == lines, "remembered"
        assert decoder.decode(section, sum(entry.size for entry in entries) - 1) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_section_or_an_error(data: bytes) -> None:
    decoder = Decoder(lambda name, value: Entry((name, value), 0))
    for section in (data, b"\0\0" + data):
        try:
            entries = decoder.decode(section, 1000)
        except QpackError:
            continue
        assert entries is None or sum(entry.size for entry in entries) <= 1000


@pytest.mark.parametrize("line", [(b"A", b""), (b"a b", b""), (b"", b""), (b"a", b"\n"), (b"a", b" b"), (b"a", b"\0")])
def test_what_no_message_may_have_is_not_written(line: tuple[bytes, bytes]) -> None:
    with pytest.raises(ProxyError):
        encode([line])


@given(st.integers(0, (1 << 62) - 1), st.binary(max_size=3))
def test_integers(value: int, more: bytes) -> None:
    coded = frames.integer(value)
    assert coded == integer(value)
    assert frames.read_integer(coded + more, 0) == (value, len(coded))
    assert all(frames.read_integer(coded[:n], 0) is None for n in range(len(coded)))

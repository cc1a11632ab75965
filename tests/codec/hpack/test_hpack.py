"""Our HPACK against the package `hpack`: each decodes what the other encodes, through one connection's worth of
blocks, so that both tables stay the same."""

from __future__ import annotations

import hpack
import pytest
from hpack.struct import HeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.hpack import huffman, integer
from proxy.codec.hpack.decoder import Decoder, Entry, HpackError, Kinds
from proxy.codec.hpack.encoder import Encoder
from proxy.codec.section.kinds import Run
from proxy.errors import ProxyError
from proxy.http.fields import FixedLines, Line

KINDS = Kinds(lambda name, value: Entry((name, value), 0))
PLENTY = 1 << 20

names = st.sampled_from([
    b":path", b":status", b"accept", b"cookie", b"date", b"etag", b"set-cookie", b"via", b"x-a", b"x-request-id",
])  # fmt: skip
visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
values = st.one_of(
    st.sampled_from([b"", b"200", b"a", b"text/html"]),
    st.text(visible, max_size=40).map(str.encode),
    st.text(visible, min_size=200, max_size=1500).map(str.encode),
)
lines = st.lists(st.tuples(names, values), max_size=12)
blocks = st.lists(st.tuples(lines, st.sampled_from([None, None, None, 0, 100, 4096, 65536])), max_size=8)


def decoded(decoder: Decoder, block: bytes) -> list[Line] | None:
    entries = decoder.decode(block, PLENTY)
    return None if entries is None else [entry.line for entry in entries]


@given(st.binary(max_size=300))
def test_huffman_there_and_back(data: bytes) -> None:
    assert huffman.decode(huffman.encode(data)) == data


@given(st.binary(max_size=30))
def test_huffman_of_anything_is_refused_or_is_what_it_says(data: bytes) -> None:
    try:
        text = huffman.decode(data)
    except huffman.HuffmanError:
        return
    assert huffman.encode(text) == data


@given(blocks)
def test_hpack_reads_what_we_write(blocks: list[tuple[list[Line], int | None]]) -> None:
    for indexing in (True, False):
        ours, theirs = Encoder(indexing=indexing), hpack.Decoder(max_header_list_size=PLENTY)
        for block, size in blocks:
            if size is not None:
                ours.allow(size)
                theirs.max_allowed_table_size = size
            read = theirs.decode(ours.encode(block), raw=True)
            assert [(bytes(name), bytes(value)) for name, value in read] == block


@given(blocks.filter(bool), st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=30))
def test_lines_that_come_again_are_what_they_are_one_by_one(
    blocks: list[tuple[list[Line], int | None]], order: list[tuple[int, int]]
) -> None:
    fixed = [FixedLines(block) for block, _ in blocks]
    ours, theirs = Encoder(indexing=True), hpack.Decoder(max_header_list_size=PLENTY)
    for first, second in order:
        begun, (block, size) = fixed[first % len(fixed)], blocks[second % len(blocks)]
        if size is not None:
            ours.allow(size)
            theirs.max_allowed_table_size = size
        for _ in range(2):
            read = theirs.decode(ours.encode(block, begun), raw=True)
            assert [(bytes(name), bytes(value)) for name, value in read] == begun.lines + block


@given(blocks, st.booleans())
def test_we_read_what_hpack_writes(blocks: list[tuple[list[Line], int | None]], coded: bool) -> None:
    theirs, ours = hpack.Encoder(), Decoder(KINDS)
    for block, size in blocks:
        if size is not None:
            theirs.header_table_size = min(size, 4096)
        written = theirs.encode([HeaderTuple(*line) for line in block], huffman=coded)
        assert decoded(ours, written) == block


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_of_anything_both_read_the_same(blocks: list[bytes]) -> None:
    ours, theirs = Decoder(KINDS), hpack.Decoder(max_header_list_size=PLENTY)
    for block in blocks:
        try:
            read = [(bytes(name), bytes(value)) for name, value in theirs.decode(block, raw=True)]
        except hpack.HPACKError:
            return  # the connection is over
        try:
            assert decoded(ours, block) == read
        except HpackError as error:
            # We are stricter only about what means nothing to anybody.
            assert str(error) in ("an integer that is too long", "a table size within a block")  # noqa: PT017
            return


def literal(kind: int, bits: int, index: int, value: bytes, coded: bool) -> bytes:
    text = huffman.encode(value) if coded else value
    return integer.write(index, bits, kind) + integer.write(len(text), 7, 0x80 if coded else 0) + text


literals = st.builds(
    lambda kind, index, value, coded: literal(kind[0], kind[1], index, value, coded),
    st.sampled_from([(0x00, 4), (0x10, 4), (0x40, 6)]),
    st.sampled_from([1, 4, 14, 15, 32, 61, 62]),
    st.one_of(
        st.sampled_from([b"/", b"/a", b"token"]),
        st.text(visible, min_size=100, max_size=150).map(str.encode),
        st.text(visible, min_size=1000, max_size=1100).map(str.encode),
    ),
    st.booleans(),
)


@given(st.lists(literals, min_size=1, max_size=12), st.lists(st.lists(st.integers(0, 11), max_size=12)), st.integers(1))
def test_literals_that_come_again(pool: list[bytes], blocks: list[list[int]], cut: int) -> None:
    ours, theirs = Decoder(KINDS), hpack.Decoder(max_header_list_size=PLENTY)
    for numbers in [[0], *blocks]:
        block = b"".join([pool[number % len(pool)] for number in numbers])
        for piece in (block, block[: cut % len(block)] if block else b""):
            try:
                read = [(bytes(name), bytes(value)) for name, value in theirs.decode(piece, raw=True)]
            except hpack.HPACKError:
                with pytest.raises(HpackError):
                    decoded(ours, piece)
                return
            assert decoded(ours, piece) == read


TOGETHER = Kinds(KINDS.entry, lambda entries: Run([], FixedLines([entry.line for entry in entries]), entries))


def singly(decoder: Decoder, block: bytes, most: int) -> object:
    """Lines and sizes, or why there are none; those of a run as well."""
    try:
        entries = decoder.decode(block, most)
    except HpackError as error:
        return str(error)
    if entries is None:
        return None
    told: list[tuple[Line, int]] = []
    for n, entry in enumerate(entries):
        if isinstance(entry, Run):
            assert n == len(entries) - 1
            assert entry.size == sum(each.size for each in entry.entries)
            told += [(each.line, each.size) for each in entry.entries]
        else:
            told.append((entry.line, entry.size))
    return told


indexed = st.builds(lambda index: bytes((0x80 | index,)), st.integers(1, 70))
resized = st.builds(lambda size: integer.write(size, 5, 0x20), st.sampled_from([0, 200, 4096]))
pieces = st.one_of(literals, indexed, indexed, indexed, resized, st.binary(max_size=2))


@given(
    st.lists(pieces, min_size=1, max_size=12),
    st.lists(st.tuples(st.lists(st.integers(0, 11), max_size=12), st.integers(1, 4)), max_size=6),
    st.sampled_from([100, 300, 100_000]),
)
def test_a_run_is_what_its_lines_are(pool: list[bytes], blocks: list[tuple[list[int], int]], most: int) -> None:
    ours, alone = Decoder(TOGETHER), Decoder(Kinds(TOGETHER.entry))
    for numbers, times in blocks:
        block = b"".join([pool[number % len(pool)] for number in numbers])
        for _ in range(times):
            said = singly(alone, block, most)
            assert singly(ours, block, most) == said
            if isinstance(said, str):
                return  # the connection is over


def test_what_comes_again_is_one_run_until_the_table_changes() -> None:
    decoder = Decoder(TOGETHER)
    decoder.decode(literal(0x40, 6, 58, b"ours", coded=False), PLENTY)
    end = bytes((0x82, 0x87, 0xBE))  # :method, :scheme, user-agent

    def kinds(path: bytes, rest: bytes = end) -> list[bool]:
        entries = decoder.decode(literal(0x00, 4, 4, path, coded=False) + rest, PLENTY)
        assert entries is not None
        return [isinstance(entry, Run) for entry in entries]

    single, run = [False] * 4, [False, True]
    assert [kinds(b"/a"), kinds(b"/b"), kinds(b"/c"), kinds(b"/a")] == [single, single, run, run]
    assert kinds(b"/a", end + literal(0x40, 6, 58, b"more", coded=False)) == [False] * 5
    assert [kinds(b"/a"), kinds(b"/b"), kinds(b"/c")] == [single, single, run]
    assert singly(decoder, literal(0x00, 4, 4, b"/", coded=False) + end, PLENTY) == [
        ((b":path", b"/"), 38), ((b":method", b"GET"), 42), ((b":scheme", b"https"), 44), ((b"user-agent", b"more"), 46)
    ]  # fmt: skip


def test_runs_that_are_kept_are_bounded() -> None:
    decoder = Decoder(TOGETHER)
    path, long = literal(0x00, 4, 4, b"/", coded=False), literal(0x10, 4, 1, b"x" * 3000, coded=False)
    for rest in (*(b"\x82" * (n + 2) for n in range(60)), long * 2):
        for _ in range(3):
            decoder.decode(path + rest, PLENTY)
    assert 0 < len(decoder._runs) <= 8
    assert max(run.size for run in decoder._runs.values()) <= 2048


@pytest.mark.parametrize(
    "block",
    [
        "80",  # index 0
        "be",  # the dynamic table is empty
        "ff ff ff ff ff 7f",  # an integer without an end in sight
        "40 01 61",  # no value
        "40 0a 61 62",  # a string beyond the block
        "00 81 ff 00",  # eight ones of padding
        "00 84 ff ff ff ff 00",  # EOS
        "3f e2 1f",  # a table of 4097 bytes
        "82 20",  # a table size behind a line
        "1f",  # half an integer
    ],
)
def test_what_means_nothing(block: str) -> None:
    with pytest.raises(HpackError):
        Decoder(KINDS).decode(bytes.fromhex(block), PLENTY)


def test_a_bomb_is_read_to_its_end_and_not_kept() -> None:
    """4 KiB in the table, named again and again in one byte each."""
    decoder = Decoder(KINDS)
    large = b"\x40\x01a\x7f" + bytes([0x80 | (4000 - 127) & 0x7F, (4000 - 127) >> 7]) + b"v" * 4000
    assert decoder.decode(large + b"\xbe" * 10_000, 32 * 1024) is None
    assert decoded(decoder, b"\xbe") == [(b"a", b"v" * 4000)]


def test_secrets_are_in_no_table() -> None:
    block = Encoder(indexing=True).encode([(b"set-cookie", b"id=1"), (b"authorization", b"x")])
    read = hpack.Decoder().decode(block, raw=True)
    assert [type(line) for line in read] == [hpack.NeverIndexedHeaderTuple] * 2


@pytest.mark.parametrize(
    "line",
    [(b"x", b"a\r\nb"), (b"x", b"a\nb"), (b"x", b"\0"), (b"x", b" a"), (b"X", b"a"), (b"x\r", b""), (b"", b"a")],
)
def test_a_line_that_is_none_is_not_written_and_costs_no_other(line: Line) -> None:
    ours, theirs = Encoder(indexing=True), hpack.Decoder()
    first = (b"x-first", b"1")
    with pytest.raises(ProxyError):
        ours.encode([first, line])
    for _ in range(2):
        block = theirs.decode(ours.encode([first]), raw=True)
        assert [(bytes(name), bytes(value)) for name, value in block] == [first]


def test_what_comes_again_is_one_byte() -> None:
    encoder = Encoder(indexing=True)
    lines = [(b":status", b"200"), (b"content-type", b"text/html"), (b"x-frame-options", b"DENY")]
    encoder.encode(lines)
    assert encoder.encode(lines) == bytes.fromhex("88 bf be")


def test_what_a_response_begins_with_is_kept_until_the_table_changes() -> None:
    encoder = Encoder(indexing=True)
    begun = [FixedLines([(b":status", b"200"), (b"etag", b"%d" % n)]) for n in range(20)]
    first = encoder.encode([(b"x", b"1")], begun[0])  # which puts x into the table, behind it
    assert encoder.encode([(b"x", b"1")], begun[0]) == first[: first.index(b"\x40")] + b"\xbe"
    assert list(encoder._begun) == [begun[0]]
    encoder.encode([(b"y", b"1")], begun[0])
    assert not encoder._begun
    for each in begun:
        encoder.encode([], each)
    assert 0 < len(encoder._begun) <= 8
    encoder.encode([], FixedLines([(b":status", b"200"), (b"etag", b"\xff" * 2000)]))
    assert max(map(len, encoder._begun.values())) <= 1024

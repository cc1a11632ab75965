"""Field lines to header blocks (RFC 7541 §6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from proxy.codec.hpack import huffman, integer
from proxy.codec.hpack.decoder import OVERHEAD, TABLE_SIZE
from proxy.codec.hpack.static_table import STATIC
from proxy.codec.section.lines import check
from proxy.errors import ProxyError
from proxy.http.fields import FixedLines, Line
from proxy.http.known import Known

_VOLATILE: Final = frozenset((
    b":path", b"age", b"cache-status", b"content-length", b"content-range", b"date", b"etag", b"expires",
    b"last-modified", b"link", b"location", b"proxy-status", b"retry-after", b"traceparent", b"x-request-id",
))  # fmt: skip
"""Whose values seldom come again on the same connection: not worth a place in the table."""

_SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))
"""Never in a table, here or further on: whoever can make requests on the same connection could find them out by the
sizes of blocks (RFC 7541 §7.1.3)."""

_NAMES: Final = {line[0]: index for index, line in reversed(list(enumerate(STATIC, 1)))}
_STATIC: Final = {line: bytes((0x80 | index,)) for index, line in enumerate(STATIC, 1) if line[1]}

_MOST_KEPT: Final = 4096
_LONGEST_KEPT: Final = 1024
_MOST_BEGUN: Final = 8

_known: Final[Known[Line, bytes]] = Known(_MOST_KEPT, _STATIC)
"""Lines that no dynamic table holds, as they are sent on every connection: those of the static table, and volatile ones
as literals. Coding one costs more than all the rest of a response, and most lines come again and again."""

_INDEXED: Final = tuple(bytes((0x80 | index,)) for index in range(127))

_literals: Final[Known[Line, bytes]] = Known(_MOST_KEPT)
"""Other lines, for those connections that do not index them."""


class Encoder:
    """Encodes the blocks of one connection, in their order.

    indexing: use the dynamic table, for lines that are likely to come again. Not where clients that must not know of
    each other share the connection.
    """

    __slots__ = ("_begun", "_capacity", "_indexing", "_inserted", "_lines", "_resized", "_size", "_smallest")

    def __init__(self, *, indexing: bool) -> None:
        self._indexing = indexing
        self._lines: dict[Line, int] = {}  # what is in the table, oldest first, with its number
        self._inserted = 0
        self._size = 0
        self._capacity = TABLE_SIZE
        self._smallest = TABLE_SIZE
        self._resized = False
        self._begun: Known[FixedLines, bytes] = Known(_MOST_BEGUN)  # as long as the table does not change

    def allow(self, size: int) -> None:
        """The other side has said how large the table may be. We do not make it larger than usual."""
        size = min(size, TABLE_SIZE)
        if size == self._capacity:
            return
        self._smallest = min(self._smallest, size)
        self._capacity = size
        self._resized = True
        self._begun.clear()
        self._evict()

    def encode(self, lines: Iterable[Line], begun: FixedLines | None = None) -> bytes:
        """begun: lines in front of these, which are likely to come again as they are.

        Raises ProxyError (proxy_internal_error) when a line is none that a message may have."""
        try:
            pieces = self._resizings() if self._resized else []
            if begun is not None:
                pieces.append(self._begun.get(begun) or self._begin(begun))
            self._encode(lines, pieces)
            return b"".join(pieces)
        except ProxyError:
            # Lines before it may be in our table, and will never be in the other side's: both begin anew.
            self._lines.clear()
            self._begun.clear()
            self._size = self._smallest = 0
            self._resized = True
            raise

    def _begin(self, fixed: FixedLines) -> bytes:
        inserted, pieces = self._inserted, list[bytes]()
        self._encode(fixed.lines, pieces)
        block = b"".join(pieces)
        if self._inserted == inserted and len(block) <= _LONGEST_KEPT:
            self._begun.keep(fixed, block)
        return block

    def _encode(self, lines: Iterable[Any], pieces: list[bytes]) -> None:
        # Any: compiled, a Line is two values, which would be made a tuple again for every look-up.
        own, inserted = self._lines, self._inserted
        for line in lines:
            piece = _known.get(line)
            if piece is None:
                number = own.get(line)
                if number is not None:
                    index = 61 + inserted - number
                    piece = _INDEXED[index] if index < 127 else integer.write(index, 7, 0x80)
                else:
                    piece = self._new(line)
                    inserted = self._inserted
            pieces.append(piece)

    def _new(self, line: Line) -> bytes:
        """One that neither all connections know nor this one."""
        name = line[0]
        if name in _VOLATILE:
            return _volatile(line)
        if name in _SECRET:
            return _coded(line, 4, 0x10)
        return self._insert(line) if self._indexing else _literal(line)

    def _insert(self, line: Line) -> bytes:
        size = len(line[0]) + len(line[1]) + OVERHEAD
        if size > self._capacity // 4:  # it would drive out what is worth more
            return _literal(line)
        piece = _coded(line, 6, 0x40)
        self._begun.clear()
        self._lines[line] = self._inserted
        self._inserted += 1
        self._size += size
        self._evict()
        return piece

    def _evict(self) -> None:
        while self._size > self._capacity:
            line = next(iter(self._lines))
            del self._lines[line]
            self._size -= len(line[0]) + len(line[1]) + OVERHEAD

    def _resizings(self) -> list[bytes]:
        """RFC 7541 §4.2: the smallest there was since the last block, then what it is now."""
        sizes = dict.fromkeys((self._smallest, self._capacity))
        self._resized = False
        self._smallest = self._capacity
        return [integer.write(size, 5, 0x20) for size in sizes]


def _volatile(line: Line) -> bytes:
    """Some come again within the second, some never: those that never do are not kept, nor Huffman coded."""
    if line[0] == b"x-request-id":
        size = len(line[1])
        return (_REQUEST_ID[size] if size < 127 else _NAMED + integer.write(size, 7, 0)) + line[1]
    return _kept(line, _known)


def _literal(line: Line) -> bytes:
    return _literals.get(line) or _kept(line, _literals)


def _kept(line: Line, among: Known[Line, bytes]) -> bytes:
    piece = _coded(line, 4, 0)
    if len(piece) <= _LONGEST_KEPT:
        among.keep(line, piece)
    return piece


def _coded(line: Line, bits: int, kind: int) -> bytes:
    check(line)
    name, value = line
    index = _NAMES.get(name)
    begun = integer.write(index, bits, kind) if index is not None else bytes((kind,)) + _string(name)
    return begun + _string(value)


def _string(text: bytes) -> bytes:
    coded = huffman.encode(text)
    if len(coded) < len(text):
        return integer.write(len(coded), 7, 0x80) + coded
    return integer.write(len(text), 7, 0) + text


_NAMED: Final = b"\0" + _string(b"x-request-id")
_REQUEST_ID: Final = tuple(_NAMED + bytes((size,)) for size in range(127))
"""Name and size of one, by its size."""

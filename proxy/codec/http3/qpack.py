"""QPACK (RFC 9204) without its dynamic table: header sections as bytes.

We say that the table may be of no size, and use none ourselves. A request then costs a few hundred bytes more, which
QUIC hardly notices, and is free of what the table brings: sections that wait for other streams, state that a client
can fill, and compression across requests that shows what they hold (§7.1). What a line comes to is kept all the same,
by the bytes it was sent as.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from proxy.codec.hpack import huffman, integer
from proxy.codec.hpack.decoder import Entry
from proxy.codec.http3.static_table import STATIC
from proxy.codec.section.lines import check
from proxy.http.fields import Line
from proxy.http.known import Known

_KEPT = 4096
"""Bytes of lines, as they are counted in a table (RFC 7541 §4.1), that a decoder remembers."""

_NAMES = {line[0]: index for index, line in reversed(list(enumerate(STATIC)))}


class QpackError(ValueError):
    """The section means nothing: QPACK_DECOMPRESSION_FAILED (§2.2)."""


class Decoder:
    """Of one connection. entry: of each line, asked for once while the line is remembered."""

    __slots__ = ("_entry", "_known", "_size", "_static")

    def __init__(self, entry: Callable[[bytes, bytes], Entry]) -> None:
        self._entry = entry
        self._static: dict[int, Entry] = {}
        self._known: dict[bytes, Entry] = {}
        self._size = 0

    def decode(self, section: bytes, most: int) -> list[Entry] | None:
        """The lines of a section; None when their sizes add up to more than `most`. Raises QpackError."""
        try:
            return self._decode(section, most)
        except IndexError:
            raise QpackError("a section that ends too early, or an index beyond the table") from None
        except (huffman.HuffmanError, integer.IntegerError) as error:
            raise QpackError(str(error)) from None

    def _decode(self, section: bytes, most: int) -> list[Entry] | None:
        if section[0] or section[1]:  # §4.5.1: how many insertions it needs, and where it counts from
            raise QpackError("a section that needs a dynamic table, which there is not")
        entries: list[Entry] = []
        at, end, left = 2, len(section), most
        while at < end:
            first = section[at]
            if first & 0xC0 == 0xC0:  # §4.5.2
                index, at = integer.read(section, at, 6)
                entry = self._static.get(index) or self._indexed(index)
            else:
                begin = at
                name_at, value_at, at = _parts(section, at)
                entry = self._known.get(section[begin:at]) or self._literal(section, begin, name_at, value_at, at)
            left -= entry.size
            if left < 0:
                return None
            entries.append(entry)
        return entries

    def _indexed(self, index: int) -> Entry:
        entry = self._static[index] = self._entry(*STATIC[index])
        return entry

    def _literal(self, section: bytes, begin: int, name_at: int, value_at: int, end: int) -> Entry:
        if section[begin] & 0xC0 == 0x40:  # §4.5.4
            name = STATIC[integer.read(section, begin, 4)[0]][0]
        else:  # §4.5.6
            coded = section[name_at:value_at]
            name = huffman.decode(coded) if section[begin] & 0x08 else coded
        _, text_at = integer.read(section, value_at, 7)
        text = section[text_at:end]
        value = huffman.decode(text) if section[value_at] & 0x80 else text
        entry = self._entry(name, value)
        self._remember(section[begin:end], entry)
        return entry

    def _remember(self, coded: bytes, entry: Entry) -> None:
        if entry.size > _KEPT // 4:
            return
        self._size += entry.size
        if self._size > _KEPT:
            self._known.clear()
            self._size = entry.size
        self._known[coded] = entry


def _parts(section: bytes, at: int) -> tuple[int, int, int]:
    """Where the name of a literal begins (if it is there as text), where its value does, and where that ends."""
    first = section[at]
    if first & 0xD0 == 0x50:  # §4.5.4, of the static table
        _, name_at = integer.read(section, at, 4)
        value_at = name_at
    elif first & 0xE0 == 0x20:  # §4.5.6
        length, name_at = integer.read(section, at, 3)
        value_at = name_at + length
    else:
        raise QpackError("a line of a dynamic table, which there is not")
    length, text_at = integer.read(section, value_at, 7)
    end = text_at + length
    if end > len(section):
        raise QpackError("a string that goes beyond its section")
    return name_at, value_at, end


_LONGEST_KEPT = 256
_MOST_KEPT = 4096

_coded: Known[Line, bytes] = Known(_MOST_KEPT)
"""Lines as they are sent, the same for every connection: nearly all come again and again."""


def encode(lines: Iterable[Line]) -> bytes:
    """A section. Raises ProxyError (proxy_internal_error) when a line is none that a message may have."""
    coded = _coded
    return b"\0\0" + b"".join([coded.get(line) or _line(line) for line in lines])


def _line(line: Line) -> bytes:
    check(line)
    name, value = line
    index = _NAMES.get(name)
    if line in _STATIC:
        coded = integer.write(_STATIC[line], 6, 0xC0)
    elif index is not None:
        coded = integer.write(index, 4, 0x50) + _text(value)
    else:
        coded = integer.write(len(name), 3, 0x20) + name + _text(value)
    if len(coded) <= _LONGEST_KEPT and name not in _SELDOM:
        _coded.keep(line, coded)
    return coded


_STATIC = {line: index for index, line in enumerate(STATIC)}

_SELDOM = frozenset((b"set-cookie", b"x-request-id"))
"""Never the same again, or nobody else's business."""


def _text(value: bytes) -> bytes:
    """As it is: what Huffman's code saves of a response is not worth its time."""
    return integer.write(len(value), 7, 0) + value

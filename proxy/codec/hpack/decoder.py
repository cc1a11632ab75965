"""Header blocks to field lines (RFC 7541 §3, §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.codec.hpack import huffman, integer
from proxy.codec.hpack.static_table import STATIC
from proxy.http.fields import Line
from proxy.http.known import Known

OVERHEAD: Final = 32
"""What each line counts for beyond its bytes."""


class Entry:
    """A line, and what was found out about it once. kind: what it is, a number by whoever made it. size: RFC 7541 §4.1.
    wrong: why no message may have it."""

    __slots__ = ("kind", "line", "size", "wrong")

    def __init__(self, line: Line, kind: int, wrong: str | None = None) -> None:
        self.line = line
        self.kind = kind
        self.size = len(line[0]) + len(line[1]) + OVERHEAD
        self.wrong = wrong


TABLE_SIZE: Final = 4096
"""The size of the dynamic table that we let the other side use: what it is when nothing is said (RFC 9113 §6.5.2)."""


class HpackError(ValueError):
    """The block means nothing, nor does any later one: COMPRESSION_ERROR (RFC 9113 §4.3)."""


_LONGEST_KNOWN: Final = 126
"""Bytes of a value in a literal that is kept: as many as a length in one byte can say."""

_MOST_KNOWN: Final = 4096
"""Literals that are kept."""

_LONGEST_SAID: Final = 1024
_MOST_SAID: Final = 8
"""Bytes of a literal, and how many of them, that are kept for one connection."""

_LONGEST_RUN: Final = 2048
_MOST_RUNS: Final = 8
"""Size of the lines of a run, and how many of them, that are kept for one connection."""


class Kinds:
    """What lines are: `entry` makes one of name and value, once for each line that is read in full.

    together: several lines in a row as one, if they can be taken so. A client says the same of itself with each
    request, and once all that is in the table, the bytes of it stay the same: what is behind the first literal of a
    block (its path, most likely), or all of one that ends with it, is looked at line by line only until it has come
    twice. It is then one entry, the last one, as large as all of them. None: lines are always told one by one.
    literals: lines by their bytes, of those that no table is to keep though they are no secret (RFC 7541 §6.2.2), as
    paths are sent: many clients ask for the same ones.
    """

    def __init__(
        self, entry: Callable[[bytes, bytes], Entry], together: Callable[[list[Entry]], Entry | None] | None = None
    ) -> None:
        self.entry = entry
        self.together = together
        self.static = [entry(*line) for line in ((b"", b""), *STATIC)]
        self.literals: Known[bytes, Entry] = Known(_MOST_KNOWN)


class Decoder:
    """Decodes the blocks of one connection, in their order."""

    __slots__ = (
        "_capacity", "_changes", "_dynamic", "_kinds", "_last_rest", "_literals", "_runs", "_said", "_size", "_static",
    )  # fmt: skip

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._literals = kinds.literals
        self._said: Known[bytes, Entry] = Known(_MOST_SAID)
        self._static = kinds.static
        self._dynamic: list[Entry] = []  # the newest is last
        self._size = 0
        self._capacity = TABLE_SIZE
        self._changes = 0  # of the table
        self._runs: Known[bytes, Entry] = Known(_MOST_RUNS)  # as long as it does not change
        self._last_rest = b""

    def decode(self, block: bytes, most: int) -> list[Entry] | None:
        """The lines of a block; None when their sizes add up to more than `most`. The block is then read to its end
        all the same, for the table, and its lines are not kept. Raises HpackError."""
        static, dynamic, literals, runs = self._static, self._dynamic, self._literals, self._runs
        entries: list[Entry] = []
        at, end, left, changes = 0, len(block), most, self._changes
        rest, before, run = block, 0, runs.get(block)
        try:
            while at < end and run is None:
                first = block[at]
                if 0x80 < first < 0xFF:  # nearly every line: an index in one byte
                    at += 1
                    index = first & 0x7F
                    entry = static[index] if index < 62 else dynamic[61 - index]
                    left -= entry.size
                    if left >= 0:
                        entries.append(entry)
                    continue
                if 0 < first < 0x0F and block[at + 1] & 0x7F <= _LONGEST_KNOWN:
                    # A name of the static table, and a value that no table is to keep.
                    start, at = at, at + 2 + (block[at + 1] & 0x7F)
                    entry = literals.get(block[start:at]) or self._static_literal(block, start, at)
                elif first & 0x80:
                    index, at = integer.read(block, at, 7)
                    entry = self._indexed(index)
                elif first & 0xE0 == 0x20:
                    if entries or left < most:
                        raise HpackError("a table size within a block")
                    at = self._resize(block, at)
                    continue
                else:
                    entry, at = self._literal(block, at)
                left -= entry.size
                if left >= 0:
                    entries.append(entry)
                if rest is block and at < end:
                    rest, before = block[at:], len(entries)
                    run = runs.get(rest)
        except IndexError:
            raise HpackError("a block that ends too early, or an index beyond the table") from None
        except (huffman.HuffmanError, integer.IntegerError) as error:
            raise HpackError(str(error)) from None
        if run is not None:
            left -= run.size
            entries.append(run)
        elif left >= 0 and len(entries) - before > 1 and changes == self._changes:
            self._keep(rest, entries[before:])
        return entries if left >= 0 else None

    def _keep(self, rest: bytes, entries: list[Entry]) -> None:
        """What a block ended with, if the last one ended like that too."""
        together = self._kinds.together
        if together is None:
            return
        if rest != self._last_rest:
            self._last_rest = rest
            return
        run = together(entries) if sum([entry.size for entry in entries]) <= _LONGEST_RUN else None
        if run is not None:
            self._runs.keep(rest, run)

    def _changed(self) -> None:
        """What indexes stand for is not what it was."""
        self._changes += 1
        self._runs.clear()
        self._last_rest = b""

    def _indexed(self, index: int) -> Entry:
        if index == 0:
            raise HpackError("index 0")
        return self._static[index] if index < 62 else self._dynamic[61 - index]

    def _literal(self, block: bytes, at: int) -> tuple[Entry, int]:
        start, indexing = at, block[at] & 0x40
        index, at = integer.read(block, at, 6 if indexing else 4)
        if 0 < index < 62 and not indexing:
            return self._repeated(block, start, index, at)
        if index:
            name = self._indexed(index).line[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        entry = self._kinds.entry(name, value)
        if indexing:
            self._insert(entry)
        return entry, at

    def _repeated(self, block: bytes, start: int, index: int, at: int) -> tuple[Entry, int]:
        """A literal that may have been said on this connection before, such as a token that is never indexed."""
        length, end = integer.read(block, at, 7)
        end += length
        literal = block[start:end]
        entry = self._said.get(literal)
        if entry is None:
            value, _ = _string(block, at)
            entry = self._kinds.entry(self._static[index].line[0], value)
            if length <= _LONGEST_SAID:
                self._said.keep(literal, entry)
        return entry, end

    def _static_literal(self, block: bytes, start: int, end: int) -> Entry:
        value, _ = _string(block, start + 1)
        entry = self._kinds.entry(self._static[block[start]].line[0], value)
        self._literals.keep(block[start:end], entry)
        return entry

    def _insert(self, entry: Entry) -> None:
        self._changed()
        self._dynamic.append(entry)
        self._size += entry.size
        if self._size > self._capacity:
            self._evict()

    def _evict(self) -> None:
        dropped = 0
        while self._size > self._capacity:
            self._size -= self._dynamic[dropped].size
            dropped += 1
        del self._dynamic[:dropped]

    def _resize(self, block: bytes, at: int) -> int:
        self._changed()
        self._capacity, at = integer.read(block, at, 5)
        if self._capacity > TABLE_SIZE:
            raise HpackError(f"a table of more than {TABLE_SIZE} bytes")
        self._evict()
        return at


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    length, at = integer.read(block, at, 7)
    end = at + length
    if end > len(block):
        raise HpackError("a string that goes beyond its block")
    data = block[at:end]
    return (huffman.decode(data) if coded else data), end

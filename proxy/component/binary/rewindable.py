"""Which core modules' instances a host can put back to how they were made.

What the code of an instance can change for good is its memories, its mutable globals, its tables, and whether its
passive segments are still there (core specification, §4.2, the store). A host can write memories and numbers back, if
it can reach them. It cannot do that for tables and segments, so no instruction may change one. Which is read from the
code, where it is understood (`instructions`). Code that is not may do anything.

The module has been validated, or is before it runs: nothing is checked here but what this host has to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.component.binary.core_module import (
    CODE,
    EXPORT,
    GLOBAL,
    IMPORT,
    MEMORY,
    read_import,
    read_limits,
    sections_of,
)
from proxy.component.binary.instructions import skip_constant, understood
from proxy.component.binary.reader import DecodeError, Reader
from proxy.component.binary.writing import leb, name, section

PREFIX = "sluicegate:"
"""Of the names under which memories and globals are exported in addition."""

LONGEST = 1 << 20
"""Bytes of code that are looked at: more takes too long, and belongs to guests with more memory than is worth it."""

MEMORY_EXPORT, GLOBAL_EXPORT = 2, 3
GLOBAL_IMPORT = 3
_NUMBERS = frozenset((0x7F, 0x7E, 0x7D, 0x7C))


@dataclass(frozen=True, slots=True)
class Rewindable:
    """module: exports what its instances keep, too. memories, globals: by what names."""

    module: bytes
    memories: tuple[str, ...]
    globals: tuple[str, ...]


def rewindable(data: bytes) -> Rewindable | None:
    """None: an instance may keep what its host cannot put back, or the module was not understood."""
    if PREFIX.encode() in data:
        return None
    try:
        sections = sections_of(data)
        contents = dict(sections)
        if len(contents.get(CODE, b"")) > LONGEST or not _leaves_tables_alone(contents.get(CODE)):
            return None
        imported = _imported(contents)
        memories = [imported[MEMORY_EXPORT] + index for index in range(_memories(contents))]
        kept = _mutable_globals(contents)
    except DecodeError:
        return None
    if kept is None:
        return None
    numbers = [imported[GLOBAL_EXPORT] + index for index in kept]
    names = [f"{PREFIX}memory-{index}" for index in memories], [f"{PREFIX}global-{index}" for index in numbers]
    added = [name(text) + bytes([MEMORY_EXPORT]) + leb(index) for text, index in zip(names[0], memories, strict=True)]
    added += [name(text) + bytes([GLOBAL_EXPORT]) + leb(index) for text, index in zip(names[1], numbers, strict=True)]
    if not added:
        return Rewindable(data, (), ())
    if EXPORT not in contents:
        return None  # nobody can call it
    return Rewindable(_exporting(data[:8], sections, added), tuple(names[0]), tuple(names[1]))


def _leaves_tables_alone(code: bytes | None) -> bool:
    if code is None:
        return True
    reader = Reader(code)
    return all(reader.vec(lambda: understood(reader.take(reader.u32()))))


def _imported(contents: dict[int, bytes]) -> dict[int, int]:
    """How many of each kind are imported."""
    counts = dict.fromkeys(range(5), 0)
    reader = Reader(contents.get(IMPORT, b"\0"))
    for _, _, kind, _ in reader.vec(lambda: read_import(reader)):
        counts[kind] += 1
    return counts


def _memories(contents: dict[int, bytes]) -> int:
    reader = Reader(contents.get(MEMORY, b"\0"))
    return len(reader.vec(lambda: read_limits(reader)))


def _mutable_globals(contents: dict[int, bytes]) -> list[int] | None:
    """Those that the module defines; None when one of them is no number."""
    reader = Reader(contents.get(GLOBAL, b"\0"))
    found: list[int] = []
    for index in range(reader.u32()):
        kind, mutable = reader.byte(), reader.byte()
        if not skip_constant(reader) or mutable > 1 or (mutable and kind not in _NUMBERS):
            return None
        if mutable:
            found.append(index)
    return found


def _exporting(preamble: bytes, sections: Sequence[tuple[int, bytes]], added: list[bytes]) -> bytes:
    written = [preamble]
    for number, content in sections:
        if number == EXPORT:
            reader = Reader(content)
            count = reader.u32()
            content = leb(count + len(added)) + content[reader.position :] + b"".join(added)
        written.append(section(number, content))
    return b"".join(written)

"""Which core modules' instances a host can put back to how they were made.

What the code of an instance can change for good is its memories, its mutable globals, its tables, and whether its
passive segments are still there (core specification, §4.2, the store). A host can write memories and numbers back, if
it can reach them. It cannot do that for tables and segments, so no instruction may change one. Which is read from the
code: it is taken apart by one regular expression, whose every alternative is an instruction that leaves tables and
segments alone, with its immediates. Code that it does not take apart to its end may do anything.

The module has been validated, or is before it runs: nothing is checked here but what this host has to know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.component.binary.core_module import CODE, EXPORT, GLOBAL, IMPORT, MEMORY, read_import, read_limits
from proxy.component.binary.reader import DecodeError, Reader
from proxy.component.binary.writing import leb, name, section

PREFIX = "sluicegate:"
"""Of the names under which memories and globals are exported in addition."""

LONGEST = 1 << 20
"""Bytes of code that are looked at: more takes too long, and belongs to guests with more memory than is worth it."""

MEMORY_EXPORT, GLOBAL_EXPORT = 2, 3
GLOBAL_IMPORT = 3
_NUMBERS = frozenset((0x7F, 0x7E, 0x7D, 0x7C))
_BR_TABLE = 0x0E

_INSTRUCTIONS = re.compile(
    rb"""(?>
    [\x00\x01\x05\x0b\x0f\x1a\x1b\x45-\xc4\xd1]            # no immediates
    | [\x02-\x04\x0c\x0d\x10\x12\x20-\x25\x3f-\x42\xd0\xd2] LEB   # a block type, label, index or integer
    | [\x11\x13] LEB LEB                                   # call_indirect, return_call_indirect
    | [\x28-\x3e] [\x00-\x1f] LEB                          # loads and stores of memory 0
    | \x43 .{4} | \x44 .{8}                                # f32.const, f64.const
    | \x1c \x01 [\x70-\x7f]                                # select with a type
    | \xfc (?: [\x00-\x07]                                 # truncations
        | \x08 LEB LEB | \x0a LEB LEB | \x0b LEB           # memory.init, memory.copy, memory.fill
        | \x10 LEB )                                       # table.size
    | \xfd (?: [\x00-\x0b\x5c\x5d] [\x00-\x1f] LEB         # loads and stores of vectors
        | [\x0c\x0d] .{16}                                 # v128.const, i8x16.shuffle
        | [\x15-\x22] .                                    # lanes
        | [\x54-\x5b] [\x00-\x1f] LEB .                    # loads and stores of lanes
        | [\x0e-\x14\x23-\x53\x5e-\x7f] | [\x80-\xff] [\x01\x02] )
    )*+""".replace(b"\x20LEB", rb"[\x80-\xff]*+[\x00-\x7f]"),
    re.DOTALL | re.VERBOSE,
)

_CONSTANT = re.compile(
    rb"""(?>
    [\x23\x41\x42\xd0\xd2] LEB | \x43 .{4} | \x44 .{8} | \xfd\x0c .{16} | [\x6a-\x6c\x7c-\x7e]
    )*+ \x0b""".replace(b"\x20LEB", rb"[\x80-\xff]*+[\x00-\x7f]"),
    re.DOTALL | re.VERBOSE,
)
"""A constant expression (core specification, §3.4.15)."""


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
        sections = _sections(data)
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


def _sections(data: bytes) -> list[tuple[int, bytes]]:
    reader = Reader(data)
    reader.take(8)
    found: list[tuple[int, bytes]] = []
    while not reader.done:
        number, content = reader.section()
        found.append((number, content.data[content.position : content.end]))
    return found


def _leaves_tables_alone(code: bytes | None) -> bool:
    if code is None:
        return True
    reader = Reader(code)
    return all(reader.vec(lambda: _body(reader.take(reader.u32()))))


def _body(body: bytes) -> bool:
    reader = Reader(body)
    for _ in range(reader.u32()):
        reader.u32()
        if reader.byte() not in range(0x6F, 0x80):  # a type of more than a byte
            return False
    at = reader.position
    while True:
        found = _INSTRUCTIONS.match(body, at)
        assert found is not None  # it may be empty
        at = found.end()
        if at == len(body):
            return True
        if body[at] != _BR_TABLE:
            return False
        table = Reader(body, at + 1)
        table.vec(table.u32)
        table.u32()
        at = table.position


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
        initial = _CONSTANT.match(reader.data, reader.position)
        if initial is None or mutable > 1 or (mutable and kind not in _NUMBERS):
            return None
        reader.position = initial.end()
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

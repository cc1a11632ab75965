"""The code of functions, taken apart into instructions as far as that is asked for.

One regular expression does it, whose every alternative is an instruction with its immediates. Among them is none that
changes a table or drops a segment (core specification, §4.2, the store), and none of a memory beyond the first: code
that is understood leaves those alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.component.binary.reader import Reader
from proxy.component.binary.writing import leb

_BR_TABLE = 0x0E
_CALLS, _INDIRECT_CALLS = (0x10, 0x12), (0x11, 0x13)


def _instructions(more: bytes = b"") -> re.Pattern[bytes]:
    """So many instructions as there are. more: alternatives."""
    return re.compile(
        rb"""(?>
    [\x00\x01\x05\x0b\x0f\x1a\x1b\x45-\xc4\xd1]            # no immediates
    | [\x02-\x04\x0c\x0d\x20-\x25\x3f-\x42\xd0\xd2] LEB     # a block type, label, index or integer
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
        | [\x0e-\x14\x23-\x53\x5e-\x7f] | [\x80-\xff] [\x01\x02] ) MORE
    )*+""".replace(b"MORE", more).replace(b"\x20LEB", rb"[\x80-\xff]*+[\x00-\x7f]"),
        re.DOTALL | re.VERBOSE,
    )


_WITH_CALLS = _instructions(rb"| [\x10\x12] LEB | [\x11\x13] LEB LEB")
_WITHOUT_CALLS = _instructions()
_OF_OURS = _instructions(rb"| [\x28-\x3e] [\x40-\x5f] LEB LEB")
"""Without calls, but with loads and stores of any memory, as code of our own has them."""


_CONSTANT = re.compile(
    rb"""(?>
    [\x23\x41\x42\xd0\xd2] LEB | \x43 .{4} | \x44 .{8} | \xfd\x0c .{16} | [\x6a-\x6c\x7c-\x7e]
    )*+ \x0b""".replace(b"\x20LEB", rb"[\x80-\xff]*+[\x00-\x7f]"),
    re.DOTALL | re.VERBOSE,
)
"""A constant expression (core specification, §3.4.15)."""


def skip_constant(reader: Reader) -> bool:
    """Goes behind a constant expression, if it is understood."""
    found = _CONSTANT.match(reader.data, reader.position, reader.end)
    if found is not None:
        reader.position = found.end()
    return found is not None


def understood(body: bytes) -> bool:
    """body: of a function, with its locals."""
    return _taken_apart(_WITH_CALLS, body) is not None


@dataclass(frozen=True, slots=True)
class Calls:
    """direct: where the index of a function that is called begins and ends, and the index. indirect: whether others
    are called."""

    direct: tuple[tuple[int, int, int], ...]
    indirect: bool


def calls(body: bytes, *, ours: bool = False) -> Calls | None:
    """What the code of a function calls; None when it is not understood."""
    found = _taken_apart(_OF_OURS if ours else _WITHOUT_CALLS, body)
    if found is None:
        return None
    return Calls(tuple(call for call in found if call is not None), None in found)


def redirected(body: bytes, found: Calls, instead: Mapping[int, int]) -> bytes:
    """The code of a function, calling other functions instead of some."""
    pieces: list[bytes] = []
    done = 0
    for start, end, index in found.direct:
        if index in instead:
            pieces += [body[done:start], leb(instead[index])]
            done = end
    return b"".join([*pieces, body[done:]])


def _taken_apart(pattern: re.Pattern[bytes], body: bytes) -> list[tuple[int, int, int] | None] | None:
    """The calls that the pattern leaves, in order, None for indirect ones; None when there is anything else."""
    reader = Reader(body)
    for _ in range(reader.u32()):
        reader.u32()
        if reader.byte() not in range(0x6F, 0x80):  # a type of more than a byte
            return None
    found: list[tuple[int, int, int] | None] = []
    while True:
        match = pattern.match(body, reader.position)
        assert match is not None  # it may be empty
        reader.position = match.end()
        if reader.done:
            return found
        code = reader.byte()
        start = reader.position
        if code in _CALLS:
            index = reader.u32()
            found.append((start, reader.position, index))
        elif code in _INDIRECT_CALLS:
            reader.u32()
            reader.u32()
            found.append(None)
        elif code == _BR_TABLE:
            reader.vec(reader.u32)
            reader.u32()
        else:
            return None

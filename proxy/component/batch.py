"""A small core module that calls a guest's `cabi_realloc` many times in one go.

Lowering a list of strings takes an allocation for each, in order, as the canonical ABI wants it. A call from the host
into Wasm costs a microsecond, a call inside Wasm next to nothing: so a module of ours, instantiated next to the guest
with the guest's realloc as its import, makes them, and what the guest sees is the same.
"""

from __future__ import annotations

from functools import cache
from struct import Struct

BATCHES = (32, 16, 8, 4, 2, 1)
"""How many allocations the functions of the module make; each is exported under its number."""

ARGUMENTS = {count: Struct("<" + "I12x" * (count + 1)) for count in BATCHES}
"""Raw values of a call: the alignment of all, and the sizes."""

RESULTS = {count: Struct("<" + "I12x" * count) for count in BATCHES}

SLOTS = max(BATCHES) + 1

_I32, _FUNC = 0x7F, 0x60


@cache
def batch_module() -> bytes:
    """(import "" "realloc"), and for each count (func (export "count") (param align size…) (result pointer…))."""
    types = [_functype(4, 1), *(_functype(count + 1, count) for count in BATCHES)]
    exports = [_name(str(count)) + bytes([0, index + 1]) for index, count in enumerate(BATCHES)]
    return b"\0asm\x01\0\0\0" + b"".join(
        (
            _section(1, _vec(types)),
            _section(2, _vec([_name("") + _name("realloc") + b"\x00\x00"])),
            _section(3, _vec([bytes([index + 1]) for index in range(len(BATCHES))])),
            _section(7, _vec(exports)),
            _section(10, _vec([_body(count) for count in BATCHES])),
        )
    )


def _body(count: int) -> bytes:
    """One realloc(0, 0, align, size) after the other; the results stay on the stack."""
    calls = (b"\x41\x00\x41\x00\x20\x00\x20" + bytes([index + 1]) + b"\x10\x00" for index in range(count))
    body = b"\x00" + b"".join(calls) + b"\x0b"
    return _leb(len(body)) + body


def _functype(params: int, results: int) -> bytes:
    return bytes([_FUNC]) + _vec([bytes([_I32])] * params) + _vec([bytes([_I32])] * results)


def _section(number: int, content: bytes) -> bytes:
    return bytes([number]) + _leb(len(content)) + content


def _vec(items: list[bytes]) -> bytes:
    return _leb(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    return _leb(len(text)) + text.encode()


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

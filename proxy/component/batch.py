"""A small core module that calls a guest's `cabi_realloc` many times in one go.

Lowering a list of strings takes an allocation for each, in order, as the canonical ABI wants it. A call from the host
into Wasm costs a microsecond, a call inside Wasm next to nothing: so a module of ours, instantiated next to the guest
with the guest's realloc as its import, makes them, and what the guest sees is the same.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from typing import Final

from proxy.component.binary.writing import body, functype, module, name

BATCHES: Final = (32, 16, 8, 4, 2, 1)
"""How many allocations the functions of the module make; each is exported under its number."""

ARGUMENTS: Final = {count: Struct("<" + "I12x" * (count + 1)) for count in BATCHES}
"""Raw values of a call: the alignment of all, and the sizes."""

RESULTS: Final = {count: Struct("<" + "I12x" * count) for count in BATCHES}

SLOTS = max(BATCHES) + 1


@cache
def batch_module() -> bytes:
    """(import "" "realloc"), and for each count (func (export "count") (param align size…) (result pointer…))."""
    types = [functype(_i32(4), _i32(1)), *(functype(_i32(count + 1), _i32(count)) for count in BATCHES)]
    exports = [name(str(count)) + bytes([0, index + 1]) for index, count in enumerate(BATCHES)]
    return module(
        [
            (1, types),
            (2, [name("") + name("realloc") + b"\x00\x00"]),
            (3, [bytes([index + 1]) for index in range(len(BATCHES))]),
            (7, exports),
            (10, [_body(count) for count in BATCHES]),
        ]
    )


def _body(count: int) -> bytes:
    """One realloc(0, 0, align, size) after the other; the results stay on the stack."""
    calls = (b"\x41\x00\x41\x00\x20\x00\x20" + bytes([index + 1]) + b"\x10\x00" for index in range(count))
    return body(b"".join(calls))


def _i32(count: int) -> list[str]:
    return ["i32"] * count

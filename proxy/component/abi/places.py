"""Where the parts of a value lie: in linear memory by byte, or flat in raw values by slot.

A slot is 16 bytes of which a core value takes the low 4 or 8. The casts that CanonicalABI.md asks for in joined
variants (f32 through i32 or i64 and so on) are all "the low bits of the slot", so a flat value reads like memory of
another layout.
"""

from __future__ import annotations

from proxy.component import types as t
from proxy.component.abi import layout

SLOT = 16

MEMORY_FORMATS = {
    t.BOOL: "B", t.S8: "b", t.U8: "B", t.S16: "h", t.U16: "H", t.S32: "i", t.U32: "I", t.S64: "q", t.U64: "Q",
    t.F32: "f", t.F64: "d", t.CHAR: "I", t.ERROR_CONTEXT: "I",
}  # fmt: skip
UNSIGNED = {1: "B", 2: "H", 4: "I"}


class MemoryPlace:
    """Positions are bytes from the start of the value that is read or written in one go."""

    flat = False

    def scalar(self, kind: t.Primitive) -> str:
        return MEMORY_FORMATS[kind]

    def pointer(self) -> str:
        return "I"

    def discriminant(self, cases: int) -> str:
        return UNSIGNED[layout.discriminant_size(cases)]

    def flags(self, labels: int) -> str:
        return UNSIGNED[layout.flags_size(labels)]

    def start(self, position: int, kind: t.ValueType) -> int:
        return layout.align_to(position, layout.alignment(kind))

    def after(self, position: int, kind: t.ValueType) -> int:
        return position + layout.size(kind)

    def payload(self, position: int, cases: layout.Cases) -> int:
        return position + layout.payload_offset(cases)

    def offset(self, position: int) -> int:
        return position

    def second(self, position: int) -> int:
        """The offset of the length that follows a pointer."""
        return position + 4


class FlatLiftPlace(MemoryPlace):
    """Positions are slots. Narrow integers are the low bits of theirs, as `lift_flat_unsigned` and `_signed` say."""

    flat = True

    def scalar(self, kind: t.Primitive) -> str:
        return "I" if kind is t.BOOL else MEMORY_FORMATS[kind]

    def discriminant(self, cases: int) -> str:
        return "I"

    def flags(self, labels: int) -> str:
        return "I"

    def start(self, position: int, kind: t.ValueType) -> int:
        return position

    def after(self, position: int, kind: t.ValueType) -> int:
        return position + len(layout.flatten(kind))

    def payload(self, position: int, cases: layout.Cases) -> int:
        return position + 1

    def offset(self, position: int) -> int:
        return position * SLOT

    def second(self, position: int) -> int:
        return (position + 1) * SLOT


class FlatLowerPlace(FlatLiftPlace):
    """Narrow integers are extended to the whole of an i32, and an i32 or f32 clears what is above it."""

    def scalar(self, kind: t.Primitive) -> str:
        if kind in (t.S8, t.S16, t.S32):
            return "i4x"
        if kind in (t.S64, t.U64, t.F64):
            return MEMORY_FORMATS[kind]
        return "f4x" if kind is t.F32 else "I4x"

    def pointer(self) -> str:
        return "I4x"

    def discriminant(self, cases: int) -> str:
        return "I4x"

    def flags(self, labels: int) -> str:
        return "I4x"


MEMORY = MemoryPlace()
FLAT_LIFT = FlatLiftPlace()
FLAT_LOWER = FlatLowerPlace()

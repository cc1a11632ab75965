"""Opcodes shared by every section: sorts, names, value types in place, extern descriptions."""

from __future__ import annotations

from proxy.component.binary.definitions import ExternDesc, Sort, ValTypeRef
from proxy.component.binary.reader import Reader

PRIMITIVES = {
    0x7F: "bool", 0x7E: "s8", 0x7D: "u8", 0x7C: "s16", 0x7B: "u16", 0x7A: "s32", 0x79: "u32",
    0x78: "s64", 0x77: "u64", 0x76: "f32", 0x75: "f64", 0x74: "char", 0x73: "string", 0x64: "error-context",
}  # fmt: skip

CORE_SORTS = {
    0x00: Sort.CORE_FUNC, 0x01: Sort.CORE_TABLE, 0x02: Sort.CORE_MEMORY, 0x03: Sort.CORE_GLOBAL,
    0x04: Sort.CORE_TAG, 0x10: Sort.CORE_TYPE, 0x11: Sort.CORE_MODULE, 0x12: Sort.CORE_INSTANCE,
}  # fmt: skip

SORTS = {0x01: Sort.FUNC, 0x02: Sort.VALUE, 0x03: Sort.TYPE, 0x04: Sort.COMPONENT, 0x05: Sort.INSTANCE}


def core_sort(reader: Reader) -> Sort:
    opcode = reader.byte()
    if opcode not in CORE_SORTS:
        raise reader.fail(f"unknown core sort 0x{opcode:02x}")
    return CORE_SORTS[opcode]


def sort(reader: Reader) -> Sort:
    opcode = reader.byte()
    if opcode == 0x00:
        return core_sort(reader)
    if opcode not in SORTS:
        raise reader.fail(f"unknown sort 0x{opcode:02x}")
    return SORTS[opcode]


def valtype(reader: Reader) -> ValTypeRef:
    value = reader.s33()
    if value >= 0:
        return value
    primitive = PRIMITIVES.get(value & 0x7F) if value >= -64 else None
    if primitive is None:
        raise reader.fail(f"unknown value type {value}")
    return primitive


def extern_name(reader: Reader) -> str:
    """A name with attributes (`nameattributes`); the attributes say nothing a host needs."""
    form = reader.byte()
    if form > 0x02:
        raise reader.fail(f"unknown form 0x{form:02x} of a name")
    name = reader.name()
    if form == 0x02:
        for _ in range(reader.u32()):
            if reader.byte() > 0x02:
                raise reader.fail("unknown attribute of a name")
            reader.name()
    return name


def extern_desc(reader: Reader) -> ExternDesc:
    opcode = reader.byte()
    if opcode == 0x00:
        if reader.byte() != 0x11:
            raise reader.fail("only core modules can be imported or exported")
        return ExternDesc(Sort.CORE_MODULE, reader.u32())
    if opcode == 0x02:
        return ExternDesc(Sort.VALUE, reader.u32() if reader.byte() == 0x00 else valtype(reader))
    if opcode == 0x03:
        bound = reader.byte()
        if bound > 0x01:
            raise reader.fail(f"unknown type bound 0x{bound:02x}")
        return ExternDesc(Sort.TYPE, reader.u32() if bound == 0x00 else None)
    if opcode not in SORTS:
        raise reader.fail(f"unknown extern description 0x{opcode:02x}")
    return ExternDesc(SORTS[opcode], reader.u32())

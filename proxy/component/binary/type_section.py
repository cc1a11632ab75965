"""Types as the binary has them: value types, functions, resources, and the declarations of instances and components."""

from __future__ import annotations

from collections.abc import Callable

from proxy.component.binary import definitions as d
from proxy.component.binary.names import PRIMITIVES, core_sort, extern_desc, extern_name, sort, valtype
from proxy.component.binary.reader import Reader

MAX_NESTING = 40
"""How deep components and types may be nested in each other."""

CORE_VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64"}


def _label_and_type(reader: Reader) -> tuple[str, d.ValTypeRef]:
    return reader.name(), valtype(reader)


def _case(reader: Reader) -> tuple[str, d.ValTypeRef | None]:
    name = reader.name()
    payload = reader.optional(lambda: valtype(reader))
    if reader.byte() != 0x00:
        raise reader.fail("a case ends with 0x00")
    return name, payload


def _record(reader: Reader) -> d.TypeDef:
    return d.RecordDef(reader.vec(lambda: _label_and_type(reader)))


def _variant(reader: Reader) -> d.TypeDef:
    return d.VariantDef(reader.vec(lambda: _case(reader)))


def _fixed_list(reader: Reader) -> d.TypeDef:
    return d.ListDef(valtype(reader), reader.u32())


def _result(reader: Reader) -> d.TypeDef:
    ok = reader.optional(lambda: valtype(reader))
    return d.ResultDef(ok, reader.optional(lambda: valtype(reader)))


def _map(reader: Reader) -> d.TypeDef:
    return d.MapDef(valtype(reader), valtype(reader))


def _func(reader: Reader, is_async: bool) -> d.TypeDef:
    params = reader.vec(lambda: _label_and_type(reader))
    form = reader.byte()
    if form == 0x00:
        return d.FuncDef(params, valtype(reader), is_async)
    if form != 0x01 or reader.byte() != 0x00:
        raise reader.fail("a function has one result or none")
    return d.FuncDef(params, None, is_async)


def _resource(reader: Reader) -> d.TypeDef:
    opcode = reader.byte()
    if opcode not in CORE_VALUE_TYPES:
        raise reader.fail(f"0x{opcode:02x} cannot represent a resource")
    return d.ResourceDef(CORE_VALUE_TYPES[opcode], reader.optional(reader.u32))


_TYPES: dict[int, Callable[[Reader], d.TypeDef]] = {
    0x72: _record,
    0x71: _variant,
    0x70: lambda reader: d.ListDef(valtype(reader)),
    0x67: _fixed_list,
    0x6F: lambda reader: d.TupleDef(reader.vec(lambda: valtype(reader))),
    0x6E: lambda reader: d.FlagsDef(reader.vec(reader.name)),
    0x6D: lambda reader: d.EnumDef(reader.vec(reader.name)),
    0x6B: lambda reader: d.OptionDef(valtype(reader)),
    0x6A: _result,
    0x69: lambda reader: d.HandleDef(True, reader.u32()),
    0x68: lambda reader: d.HandleDef(False, reader.u32()),
    0x66: lambda reader: d.AsyncValueDef(True, reader.optional(lambda: valtype(reader))),
    0x65: lambda reader: d.AsyncValueDef(False, reader.optional(lambda: valtype(reader))),
    0x63: _map,
    0x40: lambda reader: _func(reader, False),
    0x43: lambda reader: _func(reader, True),
    0x3F: _resource,
}


def type_definition(reader: Reader, nesting: int) -> d.Type:
    offset = reader.position
    opcode = reader.byte()
    if opcode in PRIMITIVES:
        return d.Type(offset, d.PrimitiveDef(PRIMITIVES[opcode]))
    if opcode in (0x41, 0x42):
        declarations = _declarations(reader, nesting + 1, imports=opcode == 0x41)
        if opcode == 0x41:
            return d.Type(offset, d.ComponentTypeDef(declarations))
        return d.Type(offset, d.InstanceTypeDef(declarations))
    if opcode not in _TYPES:
        raise reader.fail(f"unknown type 0x{opcode:02x}")
    return d.Type(offset, _TYPES[opcode](reader))


def _declarations(reader: Reader, nesting: int, *, imports: bool) -> tuple[d.Definition, ...]:
    if nesting > MAX_NESTING:
        raise reader.fail(f"types nested deeper than {MAX_NESTING}")
    return reader.vec(lambda: _declaration(reader, nesting, imports))


def _declaration(reader: Reader, nesting: int, imports: bool) -> d.Definition:
    offset = reader.position
    opcode = reader.byte()
    if opcode == 0x00:
        return core_type(reader)
    if opcode == 0x01:
        return type_definition(reader, nesting)
    if opcode == 0x02:
        return alias(reader)
    if opcode == 0x03 and imports:
        return d.Import(offset, extern_name(reader), extern_desc(reader))
    if opcode == 0x04:
        return d.ExportDeclaration(offset, extern_name(reader), extern_desc(reader))
    raise reader.fail(f"unknown declaration 0x{opcode:02x}")


def alias(reader: Reader) -> d.Definition:
    offset = reader.position
    what = sort(reader)
    target = reader.byte()
    if target == 0x00:
        return d.AliasExport(offset, what, reader.u32(), reader.name())
    if target == 0x01:
        return d.AliasCoreExport(offset, what, reader.u32(), reader.name())
    if target == 0x02:
        return d.AliasOuter(offset, what, reader.u32(), reader.u32())
    raise reader.fail(f"unknown alias target 0x{target:02x}")


# Core types. A component needs them for the types of core modules, which this host reads past.


def core_type(reader: Reader) -> d.CoreType:
    offset = reader.position
    opcode = reader.byte()
    if opcode == 0x50:
        for _ in range(reader.u32()):
            _module_declaration(reader)
        return d.CoreType(offset, d.CoreTypeDef(True))
    if opcode == 0x00:  # a 0x50 here would be taken for a module type without it
        opcode = reader.byte()
        if opcode != 0x50:
            raise reader.fail(f"0x{opcode:02x} is not a subtype")
    if opcode in (0x4F, 0x50):
        reader.vec(reader.u32)
        opcode = reader.byte()
    if opcode != 0x60:
        raise reader.fail(f"unsupported core type 0x{opcode:02x}")
    reader.vec(lambda: _core_value_type(reader))
    reader.vec(lambda: _core_value_type(reader))
    return d.CoreType(offset, d.CoreTypeDef(False))


def _core_value_type(reader: Reader) -> int:
    opcode = reader.byte()
    if opcode in (0x63, 0x64):  # a reference with a heap type
        reader.s33()
    return opcode


def _module_declaration(reader: Reader) -> None:
    opcode = reader.byte()
    if opcode == 0x00:
        reader.name()
        reader.name()
        _core_extern_type(reader)
    elif opcode == 0x01:
        core_type(reader)
    elif opcode == 0x02:
        core_sort(reader)
        if reader.byte() != 0x01:
            raise reader.fail("unknown core alias target")
        reader.u32()
        reader.u32()
    elif opcode == 0x03:
        reader.name()
        _core_extern_type(reader)
    else:
        raise reader.fail(f"unknown module declaration 0x{opcode:02x}")


def _core_extern_type(reader: Reader) -> None:
    opcode = reader.byte()
    if opcode == 0x00:
        reader.u32()
    elif opcode == 0x01:
        _core_value_type(reader)
        _core_limits(reader)
    elif opcode == 0x02:
        _core_limits(reader)
    elif opcode == 0x03:
        _core_value_type(reader)
        reader.byte()
    elif opcode == 0x04:
        reader.byte()
        reader.u32()
    else:
        raise reader.fail(f"unknown core extern type 0x{opcode:02x}")


def _core_limits(reader: Reader) -> None:
    flags = reader.byte()
    _u64(reader)
    if flags & 0x01:
        _u64(reader)


def _u64(reader: Reader) -> None:
    for _ in range(10):
        if reader.byte() < 0x80:
            return
    raise reader.fail("integer representation too long")

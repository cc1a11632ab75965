"""Sections of a component to its definitions (Binary.md, component definitions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.component.binary import definitions as d
from proxy.component.binary.canon_section import canon
from proxy.component.binary.names import core_sort, extern_desc, extern_name, sort
from proxy.component.binary.reader import DecodeError, Reader
from proxy.component.binary.type_section import MAX_NESTING, alias, core_type, type_definition

PREAMBLE = b"\0asm\x0d\0\x01\0"
CORE_PREAMBLE = b"\0asm\x01\0\0\0"


def decode_definitions(data: bytes) -> tuple[d.Definition, ...]:
    """The definitions of a component, nested ones inside their `NestedComponent`."""
    return _component(Reader(data), nesting=0)


def _component(reader: Reader, nesting: int) -> tuple[d.Definition, ...]:
    start = reader.position
    preamble = reader.data[start : min(start + 8, reader.end)]
    if preamble == CORE_PREAMBLE:
        raise DecodeError("this is a core module, not a component; wasm-tools component new makes it one", start)
    if preamble[:4] != PREAMBLE[:4]:
        raise DecodeError("not WebAssembly", start)
    if preamble != PREAMBLE:
        raise DecodeError("unknown version of the component binary format", start)
    if nesting > MAX_NESTING:
        raise DecodeError(f"components nested deeper than {MAX_NESTING}", start)
    reader.position += 8
    definitions: list[d.Definition] = []
    while not reader.done:
        number, content = reader.section()
        definitions.extend(_section(number, content, nesting))
    return tuple(definitions)


def _section(number: int, reader: Reader, nesting: int) -> Iterator[d.Definition]:
    if number == 0:
        reader.name()
        return
    offset = reader.position
    if number == 1:
        yield d.CoreModule(offset, reader.take(reader.end - offset))
    elif number == 4:
        yield d.NestedComponent(offset, _component(reader, nesting + 1))
    elif number == 7:
        yield from _items(reader, lambda content: type_definition(content, nesting))
    elif number == 9:
        yield _start(reader)
    elif number in _VECTORS:
        yield from _items(reader, _VECTORS[number])
    else:
        raise DecodeError(f"unknown section {number}", offset)
    reader.finish(f"section {number}")


def _items(reader: Reader, item: Callable[[Reader], d.Definition]) -> Iterator[d.Definition]:
    count = reader.u32()
    if count > reader.end - reader.position:
        raise reader.fail(f"{count} definitions announced in {reader.end - reader.position} bytes")
    for _ in range(count):
        yield item(reader)


def _core_instance(reader: Reader) -> d.Definition:
    offset = reader.position
    form = reader.byte()
    if form == 0x00:
        return d.CoreInstantiate(offset, reader.u32(), reader.vec(lambda: _core_argument(reader)))
    if form == 0x01:
        exports = reader.vec(lambda: (reader.name(), core_sort(reader), reader.u32()))
        return d.CoreInlineExports(offset, exports)
    raise reader.fail(f"unknown core instance expression 0x{form:02x}")


def _core_argument(reader: Reader) -> tuple[str, int]:
    name = reader.name()
    if reader.byte() != 0x12:
        raise reader.fail("a core module is instantiated with instances")
    return name, reader.u32()


def _instance(reader: Reader) -> d.Definition:
    offset = reader.position
    form = reader.byte()
    if form == 0x00:
        args = reader.u32(), reader.vec(lambda: (reader.name(), sort(reader), reader.u32()))
        return d.Instantiate(offset, *args)
    if form == 0x01:
        return d.InlineExports(offset, reader.vec(lambda: (extern_name(reader), sort(reader), reader.u32())))
    raise reader.fail(f"unknown instance expression 0x{form:02x}")


def _start(reader: Reader) -> d.Definition:
    return d.Start(reader.position, reader.u32(), reader.vec(reader.u32), reader.u32())


def _import(reader: Reader) -> d.Definition:
    return d.Import(reader.position, extern_name(reader), extern_desc(reader))


def _export(reader: Reader) -> d.Definition:
    offset = reader.position
    name = extern_name(reader)
    return d.Export(offset, name, sort(reader), reader.u32(), reader.optional(lambda: extern_desc(reader)))


_VECTORS: dict[int, Callable[[Reader], d.Definition]] = {
    2: _core_instance,
    3: core_type,
    5: _instance,
    6: alias,
    8: canon,
    10: _import,
    11: _export,
}

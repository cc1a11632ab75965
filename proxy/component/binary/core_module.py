"""What a host wants to know of a core module before it runs: read from its sections, nothing validated.

Answers are only ever used to leave work out, so a module that is not understood gets the cautious answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.component.binary.reader import DecodeError, Reader

TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT = range(1, 13)
PAGE = 65536
FUNC_IMPORT, TABLE_IMPORT, MEMORY_IMPORT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Shim:
    """A module whose every function passes its parameters on to the function in one slot of its only table.
    wit-component makes it to break the cycle between a module's imports and the memory they need."""

    table: str
    """The table's export name."""
    slots: dict[str, int]
    """The slot that each exported function calls."""


@dataclass(frozen=True, slots=True)
class Fixup:
    """A module that puts imported functions into the slots of an imported table, in order, and may call one at the
    end."""

    table: tuple[str, str]
    functions: tuple[tuple[str, str], ...]
    """What slot 0, 1, … get, as import names."""
    start: tuple[str, str] | None


def acts_when_instantiated(data: bytes) -> bool:
    """Whether making an instance of the module could be noticed by others: a start function, or segments that go into a
    memory or table it imports."""
    try:
        sections = _sections(data)
        if START in sections:
            return True
        kinds = {kind for _, _, kind, _ in _imports(sections)}
    except DecodeError:
        return True
    return (TABLE_IMPORT in kinds and ELEMENT in sections) or (MEMORY_IMPORT in kinds and DATA in sections)


def memory_minimums(data: bytes) -> list[int]:
    """Bytes that each memory a module defines has from the start."""
    try:
        reader = _sections(data).get(MEMORY)
        return [] if reader is None else [minimum * PAGE for minimum in reader.vec(lambda: read_limits(reader))]
    except DecodeError:
        return []


def as_shim(data: bytes) -> Shim | None:
    """The module as a shim, if that is all it is."""
    try:
        sections = _sections(data)
        if set(sections) != {TYPE, FUNCTION, TABLE, EXPORT, CODE}:
            return None
        params = _param_counts(sections[TYPE])
        types = sections[FUNCTION].vec(sections[FUNCTION].u32)
        bodies = sections[CODE].vec(lambda: sections[CODE].take(sections[CODE].u32()))
        if sections[TABLE].u32() != 1 or len(types) != len(bodies):
            return None
        slots = [_forwarded_slot(body, kind, params[kind]) for body, kind in zip(bodies, types, strict=True)]
        return _shim_exports(sections[EXPORT], slots)
    except (DecodeError, IndexError, _NotThatError):
        return None


def as_fixup(data: bytes) -> Fixup | None:
    """The module as a fixup, if that is all it is."""
    try:
        sections = _sections(data)
        if set(sections) - {START} != {TYPE, IMPORT, ELEMENT}:
            return None
        imports = _imports(sections)
        functions = [(module, name) for module, name, kind, _ in imports if kind == FUNC_IMPORT]
        tables = [(module, name) for module, name, kind, _ in imports if kind == TABLE_IMPORT]
        if len(tables) != 1 or len(functions) + 1 != len(imports):
            return None
        elements = sections[ELEMENT]
        if elements.take(5) != b"\x01\x00\x41\x00\x0b":  # one active segment of functions at (i32.const 0)
            return None
        order = elements.vec(elements.u32)
        start = functions[sections[START].u32()] if START in sections else None
        return Fixup(tables[0], tuple(functions[index] for index in order), start)
    except (DecodeError, IndexError):
        return None


class _NotThatError(Exception):
    """The module is of another shape."""


def code_size(data: bytes) -> int:
    """Bytes of the code of all functions."""
    try:
        code = _sections(data).get(CODE)
    except DecodeError:
        return 0
    return 0 if code is None else code.end - code.position


def imported_functions(data: bytes) -> list[tuple[str, str]]:
    """Module and name of each function that a module imports."""
    try:
        return [(module, name) for module, name, kind, _ in _imports(_sections(data)) if kind == FUNC_IMPORT]
    except DecodeError:
        return []


def sections_of(data: bytes) -> list[tuple[int, bytes]]:
    """Number and content of each section, custom ones among them, in order."""
    reader = Reader(data)
    reader.take(8)
    found: list[tuple[int, bytes]] = []
    while not reader.done:
        number, content = reader.section()
        found.append((number, content.data[content.position : content.end]))
    return found


def _sections(data: bytes) -> dict[int, Reader]:
    reader = Reader(data)
    if reader.take(8) != b"\0asm\x01\0\0\0":
        raise reader.fail("not a core module")
    sections: dict[int, Reader] = {}
    while not reader.done:
        number, content = reader.section()
        if number != 0:
            sections[number] = content
    return sections


def _imports(sections: dict[int, Reader]) -> list[tuple[str, str, int, int]]:
    """(module, name, kind, type index of a function or 0). Reads the section once."""
    reader = sections.get(IMPORT)
    if reader is None:
        return []
    return list(reader.vec(lambda: read_import(reader)))


def read_import(reader: Reader) -> tuple[str, str, int, int]:
    """(module, name, kind, type index of a function or 0)."""
    module, name, kind = reader.name(), reader.name(), reader.byte()
    if kind == FUNC_IMPORT:
        return module, name, kind, reader.u32()
    if kind == TABLE_IMPORT:
        _table_type(reader)
    elif kind == MEMORY_IMPORT:
        read_limits(reader)
    elif kind == 3:
        _value_type(reader)
        reader.byte()
    elif kind == 4:
        reader.byte()
        reader.u32()
    else:
        raise reader.fail(f"unknown import kind {kind}")
    return module, name, kind, 0


def _value_type(reader: Reader) -> None:
    if reader.byte() in (0x63, 0x64):
        reader.s33()


def _table_type(reader: Reader) -> None:
    _value_type(reader)
    read_limits(reader)


def read_limits(reader: Reader) -> int:
    """Reads limits; the minimum."""
    flags = reader.byte()
    minimum = _u64(reader)
    if flags & 1:
        _u64(reader)
    return minimum


def _u64(reader: Reader) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = reader.byte()
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise reader.fail("integer representation too long")


def _param_counts(reader: Reader) -> list[int]:
    def functype() -> int:
        if reader.byte() != 0x60:
            raise _NotThatError
        params = reader.vec(reader.byte)
        reader.vec(reader.byte)
        return len(params)

    return list(reader.vec(functype))


def _forwarded_slot(body: bytes, kind: int, params: int) -> int:
    """The slot of a body that is (call_indirect (type kind) (local.get 0) … (i32.const slot)), and nothing else."""
    reader = Reader(body)

    def expect(read: Callable[[], int], value: int) -> None:
        if read() != value:
            raise _NotThatError

    expect(reader.u32, 0)  # locals
    for index in range(params):
        expect(reader.byte, 0x20)
        expect(reader.u32, index)
    expect(reader.byte, 0x41)
    slot = reader.s33()
    for read, value in ((reader.byte, 0x11), (reader.u32, kind), (reader.u32, 0), (reader.byte, 0x0B)):
        expect(read, value)
    if slot < 0 or not reader.done:
        raise _NotThatError
    return slot


def _shim_exports(reader: Reader, slots: list[int]) -> Shim | None:
    table = None
    functions: dict[str, int] = {}
    for _ in range(reader.u32()):
        name, kind, index = reader.name(), reader.byte(), reader.u32()
        if kind == 0:
            functions[name] = slots[index]
        elif kind == 1 and table is None:
            table = name
        else:
            return None
    return None if table is None else Shim(table, functions)

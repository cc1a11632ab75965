"""A core module without what it does: its types, imports and exports, for the engine to check a component against.

Every function that is exported has the body `unreachable`, which is of every type; the others are not there, nor is
what runs or fills memory when the module is instantiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proxy.component.binary.core_module import (
    CODE,
    EXPORT,
    FUNC_IMPORT,
    FUNCTION,
    GLOBAL,
    IMPORT,
    MEMORY,
    TABLE,
    TYPE,
    read_import,
)
from proxy.component.binary.reader import DecodeError, Reader
from proxy.component.binary.writing import leb, name, section, vec

T = TypeVar("T")

TAG = 13
KEPT = {TYPE, IMPORT, TABLE, MEMORY, TAG, GLOBAL}
REF_FUNC = 0xD2
UNREACHABLE = b"\x03\x00\x00\x0b"
"""A body of three bytes: no locals, unreachable, end."""


def core_skeleton(data: bytes) -> bytes:
    """One that is not understood stays as it is, for the engine to refuse."""
    try:
        return _skeleton(Reader(data))
    except DecodeError:
        return data


def _skeleton(reader: Reader) -> bytes:
    preamble, contents = reader.take(8), []
    while not reader.done:
        number, content = reader.section()
        contents.append((number, content.data[content.position : content.end]))
    written = _functions(dict(contents))
    kept = [
        (number, written.get(number, content)) for number, content in contents if number in KEPT or number in written
    ]
    return preamble + b"".join(section(number, content) for number, content in kept)


def _functions(sections: dict[int, bytes]) -> dict[int, bytes]:
    """The sections that say which functions there are, and what is exported, with those that are exported alone."""
    functions = _items(sections, FUNCTION, Reader.u32)
    exports = _items(sections, EXPORT, _export)
    imported = sum(kind == FUNC_IMPORT for _, _, kind, _ in _items(sections, IMPORT, read_import))
    kept = sorted({index - imported for _, kind, index in exports if kind == FUNC_IMPORT and index >= imported})
    if REF_FUNC in sections.get(GLOBAL, b"") + sections.get(TABLE, b""):
        kept = list(range(len(functions)))
    if Reader(sections.get(CODE, b"\0")).u32() != len(functions) or (kept and kept[-1] >= len(functions)):
        raise DecodeError("functions without bodies, or exports without functions", 0)
    numbers = {imported + old: imported + new for new, old in enumerate(kept)}
    return {
        FUNCTION: vec([leb(functions[index]) for index in kept]),
        EXPORT: vec(
            [
                name(text) + bytes((kind,)) + leb(numbers.get(index, index) if kind == FUNC_IMPORT else index)
                for text, kind, index in exports
            ]
        ),
        CODE: vec([UNREACHABLE] * len(kept)),
    }


def _export(reader: Reader) -> tuple[str, int, int]:
    return reader.name(), reader.byte(), reader.u32()


def _items(sections: dict[int, bytes], number: int, item: Callable[[Reader], T]) -> tuple[T, ...]:
    reader = Reader(sections.get(number, b"\0"))
    return reader.vec(lambda: item(reader))

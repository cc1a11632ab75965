"""Adds functions of the host's own to a core module of a guest, and has the guest call them instead of its imports.

Added are types, functions, a memory and one export, each behind those that are there, so that nothing that has a number
gets another one. Only calls change: those of an import that has a function of ours in front go to that, which is called
as the import is, and tail-calls the import with the same arguments where it does not answer.

An export and its post-return can be joined, too: one more function calls both where the result is a variant's first
case, which has nothing to be lifted.

Ours are a core module too (`proxy/sluice/lens.wat` is one): it imports the guest's allocator and its memory, has one
memory of its own, and exports what is to be called. The guest's module has been validated as it was, and has one
memory: so nothing of its code can reach into ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from proxy.component.binary.core_module import (
    CODE,
    DATA,
    DATA_COUNT,
    EXPORT,
    FUNC_IMPORT,
    FUNCTION,
    IMPORT,
    MEMORY,
    MEMORY_IMPORT,
    TYPE,
    read_import,
    read_limits,
    sections_of,
)
from proxy.component.binary.instructions import Calls, calls, redirected
from proxy.component.binary.reader import DecodeError, Reader
from proxy.component.binary.writing import functype, leb, name, section, vec

OWN_MEMORY = "sluicegate:inlay"
"""The name under which our memory is exported."""

_LOCAL_GET, _LOCAL_TEE, _I32_CONST, _CALL, _RETURN_CALL, _RETURN = b"\x20", b"\x22", b"\x41", b"\x10", b"\x12", b"\x0f"
_IF, _END, _I32_GE_S = b"\x04\x40", b"\x0b", b"\x4e"
_I32_AND, _I64_ADD, _I64_SHL, _I64_GT_U, _I64_EXTEND = b"\x71", b"\x7c", b"\x86", b"\x56", b"\xad"
_I64_CONST, _MEMORY_SIZE, _LOAD_BYTE = b"\x42", b"\x3f\x00", b"\x2d\x00\x00"
_I32 = b"\x7f"
_FUNC = 0x60
_ALLOCATES, _GIVES, _TAKES = functype(["i32"] * 4, ["i32"]), functype([], ["i32"]), functype(["i32"], [])
_OUR_SECTIONS = {TYPE, IMPORT, FUNCTION, MEMORY, EXPORT, CODE}
MEMORY_EXPORT = 2


_PASSIVE = 1
_OUR_DATA = b"\x02\x01\x41\x00\x0b\x01\x00"
"""A zero at the beginning of our memory. The engine maps what memories begin with only where all of a module have
something to begin with; else it runs code at each instantiation."""


@dataclass(frozen=True, slots=True)
class Inlaid:
    """A function of ours in front of an import. `module`: where it is, `function`: its export name. It is called with
    the import's arguments between `before` and `after`, numbers below 64, and gives an i32: 0 when it has not answered,
    or, where the import has a result, that result, or -1."""

    module: bytes
    function: str
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Code:
    """Of a module: its types as they are written, the functions it imports (module, name, type), the types of those it
    defines, their bodies and what they call, and the numbers of exported functions."""

    types: tuple[bytes, ...]
    imports: tuple[tuple[str, str, int], ...]
    kinds: tuple[int, ...]
    bodies: tuple[tuple[bytes, Calls], ...]
    exports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Joined:
    """An export without parameters that gives the address of a variant, of this alignment and size, whose first case
    has no payload. The function that is added gives -1 where it is that case, and post_return was called; else the
    address, with all that is left to do for the host."""

    export: str
    post_return: str
    alignment: int
    size: int

    @property
    def name(self) -> str:
        """Under which it is exported."""
        return f"{OWN_MEMORY}:{self.export}"


Wanted = Mapping[tuple[str, str], tuple[Inlaid, bytes]]
"""What stands in front of imports, by module and name, with the type that each should have."""


def inlay(
    data: bytes, wanted: Wanted, realloc: str, never_leave: Collection[str], joined: Sequence[Joined] = ()
) -> bytes | None:
    """The module with ours in front of imports. All are of one module.

    realloc: the export by which the guest allocates. never_leave: other exports during which the guest may call no
    import. As ours do not ask whether it may, none of these must ever get so far as to call one, or a function that
    only the run decides: None when one does, when there is nothing to do, or when the module is not understood.
    """
    try:
        sections = sections_of(data)
        contents = dict(sections)
        if OWN_MEMORY.encode() in data or not _has_one_memory(contents):
            return None
        guest = _code(contents)
        inlaid = {} if guest is None else _inlaid(guest, wanted)
        if guest is None or not inlaid or not _has_type(guest, realloc, _ALLOCATES):
            return None
        if not all(_stays_inside(guest, each) for each in (realloc, *never_leave)):
            return None
        if not all(
            _has_type(guest, each.export, _GIVES) and _has_type(guest, each.post_return, _TAKES) for each in joined
        ):
            return None
    except DecodeError:
        return None
    ours_contents = dict(sections_of(next(iter(inlaid.values())).module))
    ours = _code(ours_contents, ours=True)
    assert ours is not None
    assert set(ours_contents) - {0} == _OUR_SECTIONS
    first = len(guest.imports) + len(guest.kinds)
    numbers = {0: guest.exports[realloc]} | {index + 1: first + index for index in range(len(ours.kinds))}
    added, count = _functions(guest, ours, inlaid, numbers, joined)
    own_types = Reader(ours_contents[TYPE])
    own_count = own_types.u32()
    added[TYPE] = _longer(contents[TYPE], own_count, own_types.take(own_types.end - own_types.position))
    added[MEMORY] = _longer(contents[MEMORY], 1, ours_contents[MEMORY][1:])
    exports = [name(OWN_MEMORY) + bytes([MEMORY_EXPORT, 1])]
    exports += [
        name(each.name) + bytes([FUNC_IMPORT]) + leb(count - len(joined) + index) for index, each in enumerate(joined)
    ]
    added[EXPORT] = _longer(contents[EXPORT], len(exports), b"".join(exports))
    if _fills_memory(contents):
        added[DATA] = _longer(contents[DATA], 1, _OUR_DATA)
        if DATA_COUNT in contents:
            added[DATA_COUNT] = _longer(contents[DATA_COUNT], 1, b"")
    return data[:8] + b"".join(section(number, added.get(number, content)) for number, content in sections)


def _fills_memory(contents: Mapping[int, bytes]) -> bool:
    """Whether it has a segment of data that is there from the start."""
    reader = Reader(contents.get(DATA, b"\0"))
    for _ in range(reader.u32()):
        if reader.u32() != _PASSIVE:
            return True
        reader.take(reader.u32())
    return False


def _functions(
    guest: _Code, ours: _Code, inlaid: Mapping[int, Inlaid], numbers: Mapping[int, int], joined: Sequence[Joined]
) -> tuple[dict[int, bytes], int]:
    """The sections of functions and their code: the guest's, ours, what is called instead of each import, and what is
    joined; and how many functions there are then. numbers: what ours have instead of those in their own module."""
    first = numbers[1] + len(ours.kinds)
    instead = {imported: first + index for index, imported in enumerate(inlaid)}
    kinds = [*guest.kinds, *(len(guest.types) + kind for kind in ours.kinds)]
    kinds += [guest.imports[imported][2] for imported in inlaid]
    bodies = [redirected(body, found, instead) for body, found in guest.bodies]
    bodies += [redirected(body, found, numbers) for body, found in ours.bodies]
    for imported, each in inlaid.items():
        kind = guest.types[guest.imports[imported][2]]
        bodies.append(_front(kind, imported, each, numbers[ours.exports[each.function]]))
    for both in joined:
        export, post_return = guest.exports[both.export], guest.exports[both.post_return]
        kinds.append(guest.kinds[export - len(guest.imports)])
        bodies.append(_joined(both, export, post_return))
    sections = {FUNCTION: vec(list(map(leb, kinds))), CODE: vec([leb(len(each)) + each for each in bodies])}
    return sections, len(guest.imports) + len(kinds)


def _joined(joined: Joined, export: int, post_return: int) -> bytes:
    """An address that is not aligned becomes 1, which is not either: -1 says something else."""
    address = _LOCAL_GET + b"\x00"
    returned = _IF + address + _RETURN + _END
    unaligned = _I32_CONST + bytes([joined.alignment - 1]) + _I32_AND + _IF + _I32_CONST + b"\x01" + _RETURN + _END
    end = address + _I64_EXTEND + _I64_CONST + bytes([joined.size]) + _I64_ADD
    size = _MEMORY_SIZE + _I64_EXTEND + _I64_CONST + b"\x10" + _I64_SHL
    return (
        b"\x01\x01" + _I32 + _CALL + leb(export) + _LOCAL_TEE + b"\x00" + unaligned
        + end + size + _I64_GT_U + returned
        + address + _LOAD_BYTE + returned
        + address + _CALL + leb(post_return) + _I32_CONST + b"\x7f" + _END
    )  # fmt: skip


def _front(kind: bytes, imported: int, inlaid: Inlaid, function: int) -> bytes:
    """The body of what is called instead of an import."""
    params = kind[1]
    results = kind[2 + params]
    arguments = b"".join(_LOCAL_GET + leb(index) for index in range(params))
    answered = _constants(inlaid.before) + arguments + _constants(inlaid.after) + _CALL + leb(function)
    otherwise = arguments + _RETURN_CALL + leb(imported) + _END
    if not results:
        return b"\x00" + answered + _IF + _RETURN + _END + otherwise
    kept = leb(params)
    return (
        b"\x01\x01" + _I32 + answered + _LOCAL_TEE + kept + _I32_CONST + b"\x00" + _I32_GE_S
        + _IF + _LOCAL_GET + kept + _RETURN + _END + otherwise
    )  # fmt: skip


def _constants(numbers: Sequence[int]) -> bytes:
    return b"".join(_I32_CONST + bytes([number]) for number in numbers)


def _longer(content: bytes, count: int, items: bytes) -> bytes:
    """A section with so many items more."""
    reader = Reader(content)
    return leb(reader.u32() + count) + content[reader.position :] + items


def _has_one_memory(contents: Mapping[int, bytes]) -> bool:
    """Of its own, and no other."""
    own, imports = Reader(contents.get(MEMORY, b"\0")), Reader(contents.get(IMPORT, b"\0"))
    imported = imports.vec(lambda: read_import(imports))
    return len(own.vec(lambda: read_limits(own))) == 1 and all(kind != MEMORY_IMPORT for _, _, kind, _ in imported)


def _inlaid(guest: _Code, wanted: Wanted) -> dict[int, Inlaid]:
    """By number of the import. One that has not the type it should have is left for the link to complain of."""
    found: dict[int, Inlaid] = {}
    for number, (module, field, kind) in enumerate(guest.imports):
        each = wanted.get((module, field))
        if each is not None and guest.types[kind] == each[1]:
            found[number] = each[0]
    return found


def _has_type(guest: _Code, exported: str, kind: bytes) -> bool:
    """Whether it defines and exports a function of this type."""
    number = guest.exports.get(exported, 0) - len(guest.imports)
    return number >= 0 and guest.types[guest.kinds[number]] == kind


def _stays_inside(guest: _Code, exported: str) -> bool:
    """Whether nothing that an export leads to calls an import, or a function that only the run decides."""
    if exported not in guest.exports:
        return False
    pending, seen = [guest.exports[exported]], set[int]()
    while pending:
        number = pending.pop() - len(guest.imports)
        if number < 0:
            return False
        if number not in seen:
            seen.add(number)
            found = guest.bodies[number][1]
            if found.indirect:
                return False
            pending += [index for _, _, index in found.direct]
    return True


def _code(contents: Mapping[int, bytes], *, ours: bool = False) -> _Code | None:
    """None: it is not understood."""
    types, imports, functions, exports, code = (
        Reader(contents.get(number, b"\0")) for number in (TYPE, IMPORT, FUNCTION, EXPORT, CODE)
    )
    kinds = types.vec(lambda: _functype(types))
    bodies = code.vec(lambda: code.take(code.u32()))
    found = [calls(body, ours=ours) for body in bodies]
    if None in kinds or None in found:
        return None
    imported = imports.vec(lambda: read_import(imports))
    return _Code(
        tuple(kind for kind in kinds if kind is not None),
        tuple((module, field, kind) for module, field, what, kind in imported if what == FUNC_IMPORT),
        functions.vec(functions.u32),
        tuple((body, each) for body, each in zip(bodies, found, strict=True) if each is not None),
        {text: number for text, what, number in exports.vec(lambda: _export(exports)) if what == FUNC_IMPORT},
    )


def _functype(reader: Reader) -> bytes | None:
    """None: another type, or a function's with types of more than a byte."""
    start = reader.position
    if reader.byte() != _FUNC:
        return None
    kinds = reader.vec(reader.byte) + reader.vec(reader.byte)
    return reader.data[start : reader.position] if all(kind in range(0x6F, 0x80) for kind in kinds) else None


def _export(reader: Reader) -> tuple[str, int, int]:
    return reader.name(), reader.byte(), reader.u32()

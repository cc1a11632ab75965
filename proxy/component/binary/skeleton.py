"""A component without the code of its core modules: all that is needed to check that its parts fit together.

The engine validates a component only by compiling it. The core modules are compiled by themselves, and once for all
components that share them, so for the component only what they import and export has to be there.

The whole stands inside of another component: the engine then checks it like any other, and does not object to what it
could not itself instantiate.

What the engine cannot be told to accept, though the specification does, is put into words it knows, of the same
meaning to its checks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proxy.component.binary import definitions as d
from proxy.component.binary.core_skeleton import core_skeleton
from proxy.component.binary.names import valtype
from proxy.component.binary.reader import Reader
from proxy.component.binary.writing import leb, section

CORE_MODULE, NESTED_COMPONENT = 1, 4
PREAMBLE_SIZE = 8

MORE_THAN_FLAT = 17
"""So many values never fit in the flat parameters of a function: beyond, the length of a list changes no signature."""

CANCELLABLE = {"waitable-set.wait", "waitable-set.poll", "thread.yield"}
YIELD, SUBTASK_CANCEL, SUBTASK_DROP, POLL = b"\x0c\x00", b"\x06\x00", b"\x0d", b"\x21\x00\x00"
OF_THE_SAME_TYPE = {
    "thread.index": YIELD,
    "thread.suspend": YIELD,
    "thread.resume-later": SUBTASK_DROP,
    "thread.suspend-then-resume": SUBTASK_CANCEL,
    "thread.yield-then-resume": SUBTASK_CANCEL,
    "thread.suspend-then-promote": SUBTASK_CANCEL,
    "thread.yield-then-promote": SUBTASK_CANCEL,
    "thread.new-indirect": POLL,
}
"""What stands for the built-ins of threads. That one needs a memory where the other needs a table."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """`modules`: every core module in the component."""

    component: bytes
    modules: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Patch:
    """Bytes from `start` to `end` of the file, and what stands for them."""

    start: int
    end: int
    replacement: bytes


def skeleton(data: bytes, definitions: tuple[d.Definition, ...]) -> Skeleton:
    """The skeleton of a component with these definitions. Raises DecodeError."""
    modules: list[bytes] = []
    component = _component(Reader(data), modules, deque(_patches(data, definitions)))
    return Skeleton(component[:PREAMBLE_SIZE] + section(NESTED_COMPONENT, component), tuple(modules))


def _component(reader: Reader, modules: list[bytes], patches: deque[_Patch]) -> bytes:
    parts = [reader.take(PREAMBLE_SIZE)]
    while not reader.done:
        number, content = reader.section()
        if number == NESTED_COMPONENT:
            parts.append(section(number, _component(content, modules, patches)))
        elif number == CORE_MODULE:
            modules.append(_rest(content))
            parts.append(section(number, core_skeleton(modules[-1])))
        else:
            parts.append(section(number, _patched(content, patches)))
    return b"".join(parts)


def _rest(reader: Reader) -> bytes:
    return reader.data[reader.position : reader.end]


# What the engine has no words for.


def _patches(data: bytes, definitions: Iterable[d.Definition]) -> Iterator[_Patch]:
    for definition in definitions:
        match definition:
            case d.NestedComponent(definitions=inner):
                yield from _patches(data, inner)
            case d.Type(type=d.ComponentTypeDef(declarations=inner) | d.InstanceTypeDef(declarations=inner)):
                yield from _patches(data, inner)
            case d.Type(offset=offset, type=d.ListDef(length=int() as length)):
                yield _fixed_list(data, offset, length)
            case d.CanonBuiltin(offset=offset, name=name) if name in CANCELLABLE:
                yield _Patch(offset + 1, offset + 2, b"\x00")
            case d.CanonBuiltin(offset=offset, end=end, name=name) if name in OF_THE_SAME_TYPE:
                yield _Patch(offset, end, OF_THE_SAME_TYPE[name])


def _fixed_list(data: bytes, offset: int, length: int) -> _Patch:
    """A list of fixed length as the tuple that is laid out like it."""
    reader = Reader(data, offset + 1)
    valtype(reader)
    element = data[offset + 1 : reader.position]
    reader.u32()
    count = min(length, MORE_THAN_FLAT)
    return _Patch(offset, reader.position, b"\x6f" + leb(count) + element * count)


def _patched(content: Reader, patches: deque[_Patch]) -> bytes:
    """A section, with the patches that lie in it, which are the next."""
    parts = []
    position = content.position
    while patches and patches[0].start < content.end:
        patch = patches.popleft()
        parts += [content.data[position : patch.start], patch.replacement]
        position = patch.end
    return b"".join([*parts, content.data[position : content.end]])

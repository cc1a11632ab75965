"""Generates the code that turns core values and linear memory into Python values (`load` and `lift_flat` of the spec).

The code finds `memory` (proxy.sandbox.Memory), `cx` (the call's context: handles), and, when the type can be made to
cost much, `left`: how many bytes the host may still build in this call. `trap(message)` makes the exception for a
`trap_if`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from proxy.component import types as t
from proxy.component.abi import layout
from proxy.component.abi.code import Code, Leaf, at
from proxy.component.abi.places import MEMORY, MemoryPlace

ELEMENT_COST = 64
"""Bytes that an element of a list is reckoned at on the host's side, for each of its scalars."""

MAX_INLINE = 8
"""Indentation at which the body of a list goes into a function of its own."""

NUMERIC = {t.S8: "b", t.U16: "H", t.S16: "h", t.U32: "I", t.S32: "i", t.U64: "Q", t.S64: "q"}


def needs_budget(kinds: Sequence[t.ValueType]) -> bool:
    """Whether values of these types can cost the host more than a copy of one stretch of guest memory."""
    blobs = 0
    for kind in kinds:
        if t.contains(kind, (t.List, t.Map)) and kind != t.List(t.U8):
            return True
        blobs += _strings(kind)
    return blobs > 1


def _strings(kind: t.ValueType) -> int:
    if kind == t.STRING or isinstance(kind, t.List):
        return 1
    return sum(map(_strings, kind.parts())) if isinstance(kind, t.Composite) else 0


class Lift:
    """`buffer` and `base` in the methods are the expressions of a place: a buffer and a byte position in it."""

    def __init__(self, code: Code, encoding: str, *, budget: bool, seen: bool = False) -> None:
        """seen: borrows of the host's resources are not counted as lent, as no code of the guest runs and nothing else
        is lifted that could take them away."""
        self.code = code
        self.seen = seen
        self.encoding = encoding
        self.budget = budget
        self.outlined: list[Code] = []

    def values(
        self, kinds: Sequence[t.ValueType], place: MemoryPlace, buffer: str, base: str, position: int = 0
    ) -> list[str]:
        """Reads values that follow each other; returns their expressions."""
        positions: list[int] = []
        leaves: list[Leaf] = []
        for kind in kinds:
            position = place.start(position, kind)
            positions.append(position)
            self._leaves(kind, place, position, leaves)
            position = place.after(position, kind)
        self._read(leaves, buffer, base)
        names = iter([name for _, _, name in leaves])
        return [
            self._build(kind, place, start, names, buffer, base) for kind, start in zip(kinds, positions, strict=True)
        ]

    def _read(self, leaves: list[Leaf], buffer: str, base: str) -> None:
        if leaves:
            first, struct, _ = self.code.struct(leaves)
            targets = "".join(f"{name}, " for _, _, name in leaves)
            self.code.line(f"{targets}= {struct}.unpack_from({buffer}, {at(base, first)})")

    def _leaves(self, kind: t.ValueType, place: MemoryPlace, position: int, leaves: list[Leaf]) -> None:
        """The scalars that are there whatever the value is: those in the payload of a variant are not."""

        def leaf(form: str, offset: int | None = None) -> None:
            leaves.append((place.offset(position) if offset is None else offset, form, self.code.name()))

        match layout.despecialize(kind):
            case t.Record(fields=fields):
                for _, part in fields:
                    position = place.start(position, part)
                    self._leaves(part, place, position, leaves)
                    position = place.after(position, part)
            case t.Variant(cases=cases):
                leaf(place.discriminant(len(cases)))
            case t.Flags(labels=labels):
                leaf(place.flags(len(labels)))
            case t.List(length=int() as length) if length > t.UNROLLED:
                pass
            case t.List(element=element, length=int() as length):
                for _ in range(length):
                    self._leaves(element, place, position, leaves)
                    position = place.after(position, element)
            case t.List() | t.STRING:
                leaf(place.pointer())
                leaf(place.pointer(), place.second(position))
            case t.Primitive() as primitive:
                leaf(place.scalar(primitive))
            case _:
                leaf(place.pointer())

    def _build(
        self, kind: t.ValueType, place: MemoryPlace, position: int, names: Iterator[str], buffer: str, base: str
    ) -> str:
        def parts(kinds: Sequence[t.ValueType]) -> list[str]:
            built, at_position = [], position
            for part in kinds:
                at_position = place.start(at_position, part)
                built.append(self._build(part, place, at_position, names, buffer, base))
                at_position = place.after(at_position, part)
            return built

        match kind:
            case t.Record(fields=fields):
                values = parts([part for _, part in fields])
                return (
                    "{"
                    + ", ".join(f"{label!r}: {value}" for (label, _), value in zip(fields, values, strict=True))
                    + "}"
                )
            case t.Tuple(items=items):
                return "(" + "".join(f"{value}, " for value in parts(items)) + ")"
            case t.Variant() | t.Option() | t.Result():
                return self._variant(kind, place, position, next(names), buffer, base)
            case t.Enum(labels=labels):
                number = next(names)
                self._trap_if(f"{number} >= {len(labels)}", "invalid discriminant")
                return f"{self.code.constant(labels)}[{number}]"
            case t.Flags(labels=labels):
                return f"{self.code.constant(_flags_reader(labels))}({next(names)})"
            case t.List(element=element, length=int() as length) if length > t.UNROLLED:
                self._charge(str(length * ELEMENT_COST * _scalars(element)))
                return self._gathered(element, self.code.bind(at(base, position)), str(layout.size(kind)))
            case t.List(element=element, length=int() as length):
                return "[" + ", ".join(parts([element] * length)) + "]"
            case t.List(element=element):
                return self._list(element, next(names), next(names))
            case t.Map(key=key, value=value):
                return self._list(t.Tuple((key, value)), next(names), next(names))
            case t.Own(resource=resource):
                if resource.implementer is None:
                    handle = self.code.bind(f"cx.handles.remove({next(names)}, {self.code.constant(resource)})")
                    self._trap_if(f"not {handle}.own", "cannot lift own resource from a borrow")
                    return f"{handle}.representation"
                return self.code.bind(f"cx.lift_own({next(names)}, {self.code.constant(resource)})")
            case t.Borrow(resource=resource) if self.seen and resource.implementer is None:
                return self.code.bind(f"cx.handles.get({next(names)}, {self.code.constant(resource)}).representation")
            case t.Borrow(resource=resource):
                return self.code.bind(f"cx.lift_borrow({next(names)}, {self.code.constant(resource)}, lends)")
            case t.Stream(element=element) | t.Future(element=element):
                stream = isinstance(kind, t.Stream)
                return self.code.bind(f"cx.lift_shared({next(names)}, {self.code.constant(element)}, {stream})")
            case t.ERROR_CONTEXT:
                return self.code.bind(f"cx.lift_error_context({next(names)})")
            case t.STRING:
                return self._string(next(names), next(names))
            case t.Primitive():
                return self._primitive(kind, next(names))
        raise NotImplementedError(f"{kind} cannot be lifted")

    def _primitive(self, kind: t.Primitive, name: str) -> str:
        if kind is t.BOOL:
            return f"{name} != 0"
        if kind in (t.F32, t.F64):
            return f"({name} if {name} == {name} else NAN)"
        if kind is t.CHAR:
            self._trap_if(f"{name} >= 0x110000 or 0xD800 <= {name} <= 0xDFFF", "invalid char")
            return f"chr({name})"
        return name

    def _trap_if(self, condition: str, message: str) -> None:
        with self.code.block(f"if {condition}:"):
            self.code.line(f"raise trap({message!r})")

    def _variant(self, kind: Any, place: MemoryPlace, position: int, number: str, buffer: str, base: str) -> str:
        variant = layout.despecialize(kind)
        assert isinstance(variant, t.Variant)
        cases = variant.cases
        self._trap_if(f"{number} >= {len(cases)}", "invalid discriminant")
        empty = [self._case(kind, label, None) for label, part in cases]
        payloads = [index for index, (_, part) in enumerate(cases) if part is not None]
        table = self.code.constant([None if index in set(payloads) else empty[index] for index in range(len(cases))])
        result = self.code.bind("None" if isinstance(kind, t.Option) else f"{table}[{number}]")
        start = place.payload(position, cases)

        def payload(index: int) -> None:
            label, part = cases[index]
            assert part is not None
            (value,) = self._placed(part, place, start, buffer, base)
            self.code.line(f"{result} = {self._wrapped(kind, label, part, value)}")

        dispatch(self.code, number, payloads, payload, exact=False)
        return result

    def _placed(self, kind: t.ValueType, place: MemoryPlace, position: int, buffer: str, base: str) -> list[str]:
        if place.flat:
            return self.values([kind], place, buffer, base, position)
        return self.values([kind], place, buffer, at(base, position))

    def _case(self, kind: Any, label: str, value: object) -> object:
        return None if isinstance(kind, t.Option) else (label, value)

    def _wrapped(self, kind: Any, label: str, part: t.ValueType, value: str) -> str:
        if isinstance(kind, t.Option):
            return f"('some', {value})" if isinstance(part, t.Option) else value
        return f"({label!r}, {value})"

    # What is behind pointers.

    def _reach(self, pointer: str, length: str) -> None:
        with self.code.block(f"if {pointer} + {length} > memory.size:"):
            self.code.line(f"memory.reach({pointer} + {length})")

    def _charge(self, amount: str) -> None:
        if self.budget:
            self.code.line(f"left -= {amount}")
            self._trap_if("left < 0", "the values of one call take more memory than the instance may use")

    def _string(self, pointer: str, length: str) -> str:
        codec = "utf-8"
        if self.encoding != "utf8":
            self._trap_if(f"{pointer} & 1", "unaligned string")
            codec = "utf-16-le"
            if self.encoding == "utf16":
                self.code.line(f"{length} *= 2")
            else:
                with self.code.block(f"if {length} & 0x80000000:"):
                    self.code.line(f"{length} = 2 * ({length} ^ 0x80000000); codec = 'utf-16-le'")
                with self.code.block("else:"):
                    self.code.line("codec = 'latin-1'")
                codec = ""
        self._trap_if(f"{length} > {layout.MAX_BYTE_LENGTH}", "string too long")
        self._reach(pointer, length)
        self._charge(length)
        return self.code.bind(
            f"str(memory.view[{pointer} : {pointer} + {length}], {repr(codec) if codec else 'codec'})"
        )

    def _list(self, element: t.ValueType, pointer: str, length: str) -> str:
        size, alignment = layout.size(element), layout.alignment(element)
        total = length if size == 1 else self.code.bind(f"{length} * {size}")
        self._trap_if(f"{total} > {layout.MAX_BYTE_LENGTH}", "list too long")
        if alignment > 1:
            self._trap_if(f"{pointer} & {alignment - 1}", "unaligned list")
        self._reach(pointer, total)
        stretch = f"memory.view[{pointer} : {pointer} + {total}]"
        if element == t.U8:
            self._charge(total)
            return self.code.bind(f"bytes({stretch})")
        self._charge(f"{length} * {ELEMENT_COST * _scalars(element)}")
        if element in NUMERIC:
            return self.code.bind(f"{stretch}.cast({NUMERIC[element]!r}).tolist()")
        return self._gathered(element, pointer, total)

    def elements(self, element: t.ValueType, pointer: str, total: str) -> str:
        """The elements in a stretch of memory that is there."""
        self._charge(f"{total} * {ELEMENT_COST * _scalars(element)}")
        return self._gathered(element, pointer, total)

    def _gathered(self, element: t.ValueType, pointer: str, total: str) -> str:
        """The elements in a stretch of memory that is there."""
        result, size = self.code.bind("[]"), layout.size(element)
        if self.code.indent >= MAX_INLINE:
            self._outline(element, result, pointer, total, size)
        else:
            self._elements(self.code, element, result, pointer, total, size)
        return result

    def _elements(self, code: Code, element: t.ValueType, result: str, pointer: str, total: str, size: int) -> None:
        append = code.bind(f"{result}.append")
        leaves: list[Leaf] = []
        self._leaves(element, MEMORY, 0, leaves)
        base = code.name()
        if _is_fixed(element):
            _, struct, _ = code.struct(leaves, size)
            targets = "".join(f"{name}, " for _, _, name in leaves)
            head = f"for {targets} in {struct}.iter_unpack(memory.view[{pointer} : {pointer} + {total}]):"
        else:
            head = f"for {base} in range({pointer}, {pointer} + {total}, {size}):"
        with code.block(head):
            if not _is_fixed(element):
                self._read(leaves, "memory.view", base)
            names = iter([name for _, _, name in leaves])
            value = self._build(element, MEMORY, 0, names, "memory.view", base)
            code.line(f"{append}({value})")

    def _outline(self, element: t.ValueType, result: str, pointer: str, total: str, size: int) -> None:
        """A list deep inside others: Python bounds how far blocks may be nested."""
        caller, inner = self.code, Code(self.code.constants)
        function = f"elements_{len(self.outlined)}"
        self.outlined.append(inner)
        self.code = inner
        with inner.block(f"def {function}(cx, memory, lends, left, result, pointer, total):"):
            self._elements(inner, element, "result", "pointer", "total", size)
            inner.line("return left")
        self.code = caller
        left = "left" if self.budget else "0"
        lends = "lends" if t.contains(element, (t.Borrow,)) else "None"
        caller.line(f"{'left = ' * self.budget}{function}(cx, memory, {lends}, {left}, {result}, {pointer}, {total})")


def _scalars(kind: t.ValueType) -> int:
    return kind.size


def _is_fixed(kind: t.ValueType) -> bool:
    """Whether all of a value's scalars are always there."""
    variants = (t.Variant, t.Option, t.Result)
    match kind:
        case t.Record() | t.Tuple():
            return all(_is_fixed(part) for part in kind.parts())
        case t.List(length=int() as length):
            return length <= t.UNROLLED and all(_is_fixed(part) for part in kind.parts())
    return not isinstance(kind, variants)


def _flags_reader(labels: tuple[str, ...]) -> Callable[[int], frozenset[str]]:
    bits = [(1 << index, label) for index, label in enumerate(labels)]

    def read(value: int) -> frozenset[str]:
        return frozenset([label for bit, label in bits if value & bit])

    return read


def dispatch(code: Code, number: str, cases: Sequence[int], body: Callable[[int], None], *, exact: bool = True) -> None:
    """Runs `body` for the one of `cases` that `number` is, by halving. When none may be (`exact` false), nothing
    runs."""
    if len(cases) == 1:
        if exact:
            body(cases[0])
        else:
            with code.block(f"if {number} == {cases[0]}:"):
                body(cases[0])
    elif len(cases) > 1:
        middle = len(cases) // 2
        with code.block(f"if {number} < {cases[middle]}:"):
            dispatch(code, number, cases[:middle], body, exact=exact)
        with code.block("else:"):
            dispatch(code, number, cases[middle:], body, exact=exact)

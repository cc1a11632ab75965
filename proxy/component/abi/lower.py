"""Generates the code that turns Python values into core values and linear memory (`store` and `lower_flat` of the
spec).

The code finds `memory`, `cx` and `realloc` (the guest's, with the checks of the spec: `cx.realloc`). A value that is
not of its type raises one of MISMATCH there.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from proxy.component import types as t
from proxy.component.abi import layout
from proxy.component.abi.code import Code, Leaf, at
from proxy.component.abi.lift import MAX_INLINE, NUMERIC, dispatch
from proxy.component.abi.places import MEMORY, SLOT, MemoryPlace

MISMATCH = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, struct.error)

Leaves = list["Leaf | None"]
"""Scalars still to be written. None: something was written between its neighbours, which no padding may cover."""

BLOBS = (t.STRING, t.List(t.U8))
FEW = 3
"""Elements up to which a list of strings is written one by one: the way for many has to be opened first."""

NARROW = {t.S8: (-128, 127), t.U8: (0, 255), t.S16: (-32768, 32767), t.U16: (0, 65535)}


class Lower:
    """`buffer` and `base` in the methods are the expressions of a place: a buffer and a byte position in it."""

    def __init__(self, code: Code, encoding: str) -> None:
        self.code = code
        self.encoding = encoding
        self.outlined: list[Code] = []

    def values(
        self,
        kinds: Sequence[t.ValueType],
        values: Sequence[str],
        place: MemoryPlace,
        buffer: str,
        base: str,
        position: int = 0,
    ) -> None:
        """Writes values that follow each other."""
        leaves: Leaves = []
        for kind, value in zip(kinds, values, strict=True):
            position = place.start(position, kind)
            self._lower(kind, value, place, position, leaves, buffer, base)
            position = place.after(position, kind)
        self._write(leaves, buffer, base)

    def _write(self, leaves: Leaves, buffer: str, base: str) -> None:
        run: list[Leaf] = []
        for leaf in [*leaves, None]:
            if leaf is not None:
                run.append(leaf)
            elif run:
                first, form, _ = self.code.struct(run)
                items = ", ".join(value for _, _, value in run)
                self.code.line(f"{form}.pack_into({buffer}, {at(base, first)}, {items})")
                run = []

    def _lower(
        self, kind: t.ValueType, value: str, place: MemoryPlace, position: int, leaves: Leaves, buffer: str, base: str
    ) -> None:
        """Does what must be done for a value and adds its scalars to `leaves`."""

        def parts(kinds: Sequence[t.ValueType], items: Sequence[str]) -> None:
            at_position = position
            for part, item in zip(kinds, items, strict=True):
                at_position = place.start(at_position, part)
                self._lower(part, item, place, at_position, leaves, buffer, base)
                at_position = place.after(at_position, part)

        def leaf(form: str, expression: str) -> None:
            leaves.append((place.offset(position), form, expression))

        def pair(pointer: str, length: str) -> None:
            leaf(place.pointer(), pointer)
            leaves.append((place.second(position), place.pointer(), length))

        code = self.code
        match kind:
            case t.Record(fields=fields):
                value = code.bind(value)
                parts([part for _, part in fields], [code.bind(f"{value}[{label!r}]") for label, _ in fields])
            case t.Tuple(items=items):
                parts(items, self._unpacked(value, len(items)))
            case t.Variant() | t.Option() | t.Result():
                self._variant(kind, code.bind(value), place, position, buffer, base)
                leaves.append(None)
            case t.Enum(labels=labels):
                numbers = {label: number for number, label in enumerate(labels)}
                leaf(place.discriminant(len(labels)), code.bind(f"{code.constant(numbers)}[{value}]"))
            case t.Flags(labels=labels):
                leaf(place.flags(len(labels)), code.bind(f"{code.constant(_flags_writer(labels))}({value})"))
            case t.List(element=element, length=int() as length) if length > t.UNROLLED:
                self._long(element, code.bind(value), length, at(base, place.offset(position)))
                leaves.append(None)
            case t.List(element=element, length=int() as length):
                parts([element] * length, self._unpacked(value, length))
            case t.List(element=element):
                pair(*self._list(element, code.bind(value)))
            case t.Map(key=key, value=item):
                pair(*self._list(t.Tuple((key, item)), code.bind(value)))
            case t.Own(resource=resource):
                lowered = f"cx.lower_own({value}, {code.constant(resource)})"
                if resource.implementer is None:
                    lowered = f"cx.handles.add(HANDLE({code.constant(resource)}, {value}, True))"
                leaf(place.pointer(), code.bind(lowered))
            case t.Borrow(resource=resource):
                leaf(place.pointer(), code.bind(f"cx.lower_borrow({value}, {code.constant(resource)}, scope)"))
            case t.Stream(element=element) | t.Future(element=element):
                stream = isinstance(kind, t.Stream)
                leaf(place.pointer(), code.bind(f"cx.lower_shared({value}, {code.constant(element)}, {stream})"))
            case t.ERROR_CONTEXT:
                leaf(place.pointer(), code.bind(f"cx.lower_error_context({value})"))
            case t.STRING:
                pair(*self._string(value))
            case t.Primitive():
                leaf(place.scalar(kind), self._primitive(kind, value, place))
            case _:
                raise NotImplementedError(f"{kind} cannot be lowered")

    def _unpacked(self, value: str, count: int) -> list[str]:
        names = [self.code.name() for _ in range(count)]
        self.code.line("".join(f"{name}, " for name in names) + f"= {value}")
        return names

    def _primitive(self, kind: t.Primitive, value: str, place: MemoryPlace) -> str:
        if kind is t.BOOL:
            return f"(1 if {value} else 0)"
        if kind in (t.F32, t.F64):
            name = self.code.bind(value)
            return f"({name} if {name} == {name} else NAN)"
        if kind is t.CHAR:
            name = self.code.bind(f"ord({value})")
            with self.code.block(f"if 0xD800 <= {name} <= 0xDFFF:"):
                self.code.line("raise ValueError('a surrogate is not a char')")
            return name
        if place.flat and kind in NARROW:
            low, high = NARROW[kind]
            name = self.code.bind(value)
            with self.code.block(f"if not {low} <= {name} <= {high}:"):
                self.code.line(f"raise ValueError('%r is not a {kind}' % {name})")
            return name
        return value

    def _variant(self, kind: Any, value: str, place: MemoryPlace, position: int, buffer: str, base: str) -> None:
        variant = layout.despecialize(kind)
        assert isinstance(variant, t.Variant)
        cases = variant.cases
        head = place.offset(position), place.discriminant(len(cases))
        start, end = place.payload(position, cases), place.after(position, variant)

        def payload(part: t.ValueType | None, item: str, number: int | str) -> None:
            """Writes a discriminant, its payload, and zeros into the flat slots that the payload leaves over."""
            leaves: Leaves = [(*head, str(number))]
            rest = start
            if part is not None:
                self._lower(part, item, place, start, leaves, buffer, base)
                rest = place.after(start, part)
            if place.flat:
                leaves += [(slot * SLOT, "Q", "0") for slot in range(rest, end)]
            self._write(leaves, buffer, base)

        if isinstance(kind, t.Option):
            with self.code.block(f"if {value} is None:"):
                payload(None, "", 0)
            with self.code.block("else:"):
                payload(kind.some, self._expect_some(value) if isinstance(kind.some, t.Option) else value, 1)
            return
        label, item = self._unpacked(value, 2)
        numbers = {name: index for index, (name, _) in enumerate(cases)}
        number = self.code.bind(f"{self.code.constant(numbers)}[{label}]")
        full = [index for index, (_, part) in enumerate(cases) if part is not None]
        if len(full) < len(cases):
            with self.code.block(f"if {self.code.constant(tuple(part is None for _, part in cases))}[{number}]:"):
                payload(None, "", number)
        if full:
            with self.code.block("else:" if len(full) < len(cases) else "if True:"):
                dispatch(self.code, number, full, lambda index: payload(cases[index][1], item, index))

    def _expect_some(self, value: str) -> str:
        some, inner = self._unpacked(value, 2)
        with self.code.block(f"if {some} != 'some':"):
            self.code.line("raise ValueError('an option of an option is None or (\"some\", value)')")
        return inner

    # What goes behind pointers.

    def _string(self, value: str) -> tuple[str, str]:
        code = self.code
        if self.encoding == "utf8":
            data = code.bind(f"({value}).encode()")
            length = code.bind(f"len({data})")
            return self._stretch(data, length, 1), length
        if self.encoding == "utf16":
            data = code.bind(f"({value}).encode('utf-16-le')")
            length = code.bind(f"len({data})")
            return self._stretch(data, length, 2), f"{length} >> 1"
        pair = code.bind(f"latin1_or_utf16({value})")
        data, tagged = code.bind(f"{pair}[0]"), code.bind(f"{pair}[1]")
        return self._stretch(data, code.bind(f"len({data})"), 2), tagged

    def _stretch(self, data: str, length: str, alignment: int) -> str:
        """Bytes into fresh guest memory."""
        with self.code.block(f"if {length} > {layout.MAX_BYTE_LENGTH}:"):
            self.code.line("raise ValueError('too long for a component')")
        pointer = self.code.bind(f"realloc({alignment}, {length})")
        self.code.line(f"memory.view[{pointer} : {pointer} + {length}] = {data}")
        return pointer

    def _list(self, element: t.ValueType, value: str) -> tuple[str, str]:
        code = self.code
        length = code.bind(f"len({value})")
        if element == t.U8:
            return self._stretch(value, length, 1), length
        size, alignment = layout.size(element), layout.alignment(element)
        if element in NUMERIC:
            data = code.bind(f"array({NUMERIC[element]!r}, {value}).tobytes()")
            return self._stretch(data, code.bind(f"len({data})"), alignment), length
        total = code.bind(f"{length} * {size}")
        with code.block(f"if {total} > {layout.MAX_BYTE_LENGTH}:"):
            code.line("raise ValueError('too long for a component')")
        pointer = code.bind(f"realloc({alignment}, {total})")
        blobs = self._blobs(element, value)
        if blobs is not None:
            with code.block(f"if {length} > {FEW}:"):
                code.line(f"cx.store_blobs({blobs}, {pointer})")
            code.line("else:")
            code.indent += 1
        self._stored(element, value, pointer, size)
        if blobs is not None:
            code.indent -= 1
        return pointer, length

    def _blobs(self, element: t.ValueType, value: str) -> str | None:
        """An expression of what goes behind the pointers of a list whose elements are nothing but pointers and lengths;
        None for other lists."""
        if self.encoding != "utf8":
            return None
        if element in BLOBS:
            return f"[{_blob(element, 'e')} for e in {value}]"
        match element:
            case t.Tuple(items=items) if all(item in BLOBS for item in items):
                names = [f"e{index}" for index in range(len(items))]
                inner = ", ".join(_blob(item, name) for item, name in zip(items, names, strict=True))
                return f"[b for {''.join(f'{name}, ' for name in names)} in {value} for b in ({inner},)]"
            case t.Record(fields=fields) if all(item in BLOBS for _, item in fields):
                inner = ", ".join(_blob(item, f"e[{label!r}]") for label, item in fields)
                return f"[b for e in {value} for b in ({inner},)]"
        return None

    def _long(self, element: t.ValueType, value: str, length: int, pointer: str) -> None:
        """A long list of fixed length, which lies where it stands."""
        with self.code.block(f"if len({value}) != {length}:"):
            self.code.line(f"raise ValueError('a list has %d elements, not {length}' % len({value}))")
        self._stored(element, value, pointer, layout.size(element))

    def elements(self, element: t.ValueType, values: str, pointer: str) -> None:
        """Values into a stretch of memory that is there."""
        self._stored(element, values, pointer, layout.size(element))

    def _stored(self, element: t.ValueType, value: str, pointer: str, size: int) -> None:
        if self.code.indent >= MAX_INLINE:
            self._outline(element, value, pointer, size)
        else:
            self._elements(element, value, pointer, size)

    def _elements(self, element: t.ValueType, value: str, pointer: str, size: int) -> None:
        base, item = self.code.bind(pointer), self.code.name()
        with self.code.block(f"for {item} in {value}:"):
            self.values([element], [item], MEMORY, "memory.view", base)
            self.code.line(f"{base} += {size}")

    def _outline(self, element: t.ValueType, value: str, pointer: str, size: int) -> None:
        """A list deep inside others: Python bounds how far blocks may be nested."""
        caller, inner = self.code, Code(self.code.constants)
        function = f"store_{len(self.outlined)}"
        self.outlined.append(inner)
        self.code = inner
        with inner.block(f"def {function}(cx, memory, realloc, scope, value, pointer):"):
            self._elements(element, "value", "pointer", size)
        self.code = caller
        scope = "scope" if t.contains(element, (t.Borrow,)) else "None"
        caller.line(f"{function}(cx, memory, realloc, {scope}, {value}, {pointer})")


def _blob(kind: t.ValueType, value: str) -> str:
    return f"{value}.encode()" if kind == t.STRING else value


def latin1_or_utf16(value: str) -> tuple[bytes, int]:
    """A string in the compact encoding, and its tagged length in code units."""
    try:
        data = value.encode("latin-1")
        return data, len(data)
    except UnicodeEncodeError:
        data = value.encode("utf-16-le")
        return data, (len(data) >> 1) | 0x8000_0000


def _flags_writer(labels: tuple[str, ...]) -> Callable[[frozenset[str]], int]:
    bits = {label: 1 << index for index, label in enumerate(labels)}

    def write(value: frozenset[str]) -> int:
        return sum({bits[label] for label in value})

    return write


RUNTIME = {"array": array, "latin1_or_utf16": latin1_or_utf16, "NAN": float("nan")}

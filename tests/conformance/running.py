"""Instances that a script calls: of components, and of core modules."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Protocol

from proxy.component import HostInterface, Instance, Linked, LinkError
from proxy.sandbox import CoreFuncType, Engine, Limits, Linker, Module, RawValues, Store, StoreLayout, call
from tests.conformance.values import same, value

CORE_PREAMBLE = b"\0asm\x01\0\0\0"

Literal = dict[str, Any]
"""A value as the JSON of a script has it."""


class FailedError(Exception):
    """A command did not do what the script says."""


class Running(Protocol):
    def invoke(self, name: str, arguments: Sequence[Literal]) -> Any:
        """The result. Raises Trap."""

    def expect(self, name: str, result: Any, expected: Sequence[Literal]) -> None:
        """Raises FailedError when a result of this function is another one."""

    def offer(self) -> HostInterface:
        """What others can import of it."""


class RunningComponent:
    def __init__(self, linked: Linked, instance: Instance, loop: asyncio.AbstractEventLoop) -> None:
        self._linked = linked
        self._instance = instance
        self._loop = loop

    def _function(self, name: str) -> Any:
        interface, _, function = name.rpartition("#")
        found = self._linked.exports.get(interface, {}).get(function)
        if found is None:
            raise FailedError(f"no function {name!r} is exported")
        return found

    def invoke(self, name: str, arguments: Sequence[Literal]) -> Any:
        function = self._function(name)
        params = function.type.params
        if len(params) != len(arguments):
            raise FailedError(f"{len(arguments)} arguments are given to {function.type}")
        values = [value(given, kind) for given, (_, kind) in zip(arguments, params, strict=True)]
        if not function.type.is_async:
            return function(self._instance, *values)
        return self._loop.run_until_complete(_awaited(function, self._instance, values))

    def expect(self, name: str, result: Any, expected: Sequence[Literal]) -> None:
        kind = self._function(name).type.result
        if len(expected) != (kind is not None):
            raise FailedError(f"{len(expected)} results are expected; the result is {result!r}")
        if expected and not same(value(expected[0], kind), result):
            raise FailedError(f"the result is {result!r}, not {value(expected[0], kind)!r}")

    def offer(self) -> HostInterface:
        return self._linked.offer(self._instance)


async def _awaited(function: Any, instance: Instance, values: Sequence[Any]) -> Any:
    return await function(instance, *values)


FORMS = {"i32": ("<I12x", 32), "i64": ("<Q8x", 64), "f32": ("<I12x", 32), "f64": ("<Q8x", 64)}
QUIET = {"f32": 0x7FC00000, "f64": 0x7FF8000000000000}


class RunningModule:
    """A core module that imports nothing, whose functions take and give numbers. Numbers are bits here."""

    def __init__(self, engine: Engine, module: Module, limits: Limits) -> None:
        if module.imports:
            raise LinkError("a core module by itself is given no imports here")
        self._module = module
        self._numbers = {name: number for number, name in enumerate(module.exports)}
        self._linker = Linker(engine)
        self._deadline = engine.ticker.deadline(limits.time)
        self._store = Store(engine, limits, 1, StoreLayout(1, len(self._numbers)))
        self._store.start_clock(self._deadline)
        self._store.instantiate_pre(0, self._linker.prepare(module))

    def invoke(self, name: str, arguments: Sequence[Literal]) -> list[int]:
        export = self._module.exports.get(name)
        if export is None or not isinstance(export.type, CoreFuncType):
            raise FailedError(f"no function {name!r} is exported")
        params, results = export.type.params, export.type.results
        if not set(params + results) <= FORMS.keys() or tuple(given["type"] for given in arguments) != params:
            raise FailedError(f"{name!r} is {export.type}: these arguments cannot be given")
        values = RawValues(max(1, len(params), len(results)))
        raw = memoryview(values.buffer).cast("B")
        for index, (kind, given) in enumerate(zip(params, arguments, strict=True)):
            form, bits = FORMS[kind]
            struct.pack_into(form, raw, 16 * index, int(given["value"]) % (1 << bits))
        self._store.start_clock(self._deadline)
        function = self._store.find(0, name.encode(), self._numbers[name])
        call(self._store.context, function, values.start, values.count)
        return [struct.unpack_from(FORMS[kind][0], raw, 16 * index)[0] for index, kind in enumerate(results)]

    def expect(self, name: str, result: list[int], expected: Sequence[Literal]) -> None:
        if len(result) != len(expected) or not all(map(_is, result, expected)):
            raise FailedError(f"the results are {result}, not {[each.get('value') for each in expected]}")

    def offer(self) -> HostInterface:
        return HostInterface({})


def _is(bits: int, expected: Literal) -> bool:
    kind, wanted = expected["type"], expected["value"]
    if wanted == "nan:canonical":
        return bits & ~(1 << (FORMS[kind][1] - 1)) == QUIET[kind]
    if wanted == "nan:arithmetic":
        return bits & QUIET[kind] == QUIET[kind]
    return bool(bits == int(wanted) % (1 << FORMS[kind][1]))

"""The core module of the gates of a component (proxy.component.suspend).

Each gate is a function of one type: (if (call $begin params…) (then (call $suspend))) (call $finish params…).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.component.binary.writing import body, functype, leb, module, name
from proxy.sandbox import CoreFuncType

BEGIN, SUSPEND, FINISH = "begin", "suspend", "finish"

_FUNC = b"\x00"
_IF, _END = b"\x04\x40", b"\x0b"


def gates_module(kinds: Sequence[CoreFuncType]) -> bytes:
    """Imports (suspend ""), and for each gate (begin "n"), whose result is an i32, and (finish "n"); exports "n"."""
    types = [functype((), ())]
    imports = [name(SUSPEND) + name("") + _FUNC + leb(0)]
    for number, kind in enumerate(kinds):
        types += [functype(kind.params, ("i32",)), functype(kind.params, kind.results)]
        begin, finish = _types(number)
        imports.append(name(BEGIN) + name(str(number)) + _FUNC + leb(begin))
        imports.append(name(FINISH) + name(str(number)) + _FUNC + leb(finish))
    first = len(imports)
    exports = [name(str(number)) + _FUNC + leb(first + number) for number in range(len(kinds))]
    functions = [leb(_types(number)[1]) for number in range(len(kinds))]
    bodies = [body(_gate(number, len(kind.params))) for number, kind in enumerate(kinds)]
    return module([(1, types), (2, imports), (3, functions), (7, exports), (10, bodies)])


def _types(number: int) -> tuple[int, int]:
    """Of the two imports of a gate, which are themselves numbered like that: after the one for `suspend`."""
    return 1 + 2 * number, 2 + 2 * number


def _gate(number: int, params: int) -> bytes:
    begin, finish = _types(number)
    given = b"".join(b"\x20" + leb(index) for index in range(params))
    return given + _call(begin) + _IF + _call(0) + _END + given + _call(finish)


def _call(function: int) -> bytes:
    return b"\x10" + leb(function)

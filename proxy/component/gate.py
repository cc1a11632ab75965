"""The core module of the gates of a component (proxy.component.suspend).

Each gate is a function of one type: (if (call $begin params…) (then (call $suspend))) (call $finish params…). What
suspends is called through a table of one, exported, that is filled before the instance is first called: with that
function in it, an instance of wasmtime's only takes others on a slower way.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.component.binary.writing import body, functype, leb, module, name
from proxy.sandbox import CoreFuncType

BEGIN, SUSPEND, FINISH = "begin", "suspend", "finish"

_FUNC, _TABLE = b"\x00", b"\x01"
_TABLE_OF_ONE = b"\x70\x00\x01"
_IF, _END = b"\x04\x40", b"\x0b"


def gates_module(kinds: Sequence[CoreFuncType]) -> bytes:
    """For each gate imports (begin "n"), whose result is an i32, and (finish "n"), and exports "n". Exports the table
    too."""
    types = [functype((), ())]
    imports: list[bytes] = []
    for number, kind in enumerate(kinds):
        types += [functype(kind.params, ("i32",)), functype(kind.params, kind.results)]
        imports.append(name(BEGIN) + name(str(number)) + _FUNC + leb(2 * number + 1))
        imports.append(name(FINISH) + name(str(number)) + _FUNC + leb(2 * number + 2))
    first = len(imports)
    exports = [name(str(number)) + _FUNC + leb(first + number) for number in range(len(kinds))]
    exports.append(name(SUSPEND) + _TABLE + leb(0))
    functions = [leb(2 * number + 2) for number in range(len(kinds))]
    bodies = [body(_gate(number, len(kind.params))) for number, kind in enumerate(kinds)]
    return module([(1, types), (2, imports), (3, functions), (4, [_TABLE_OF_ONE]), (7, exports), (10, bodies)])


def _gate(number: int, params: int) -> bytes:
    given = b"".join(b"\x20" + leb(index) for index in range(params))
    suspend = b"\x41\x00\x11\x00\x00"
    return given + _call(2 * number) + _IF + suspend + _END + given + _call(2 * number + 1)


def _call(function: int) -> bytes:
    return b"\x10" + leb(function)

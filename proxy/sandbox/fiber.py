"""Calls into guests that may wait: each on a stack of its own, a fiber, so that others run meanwhile.

A guest waits by calling the one function that is defined with `Linker.define_suspend`: `FiberCall.poll` then returns
False, and when it is called again the guest goes on behind that call. No frame of the interpreter may lie on the
fiber's stack meanwhile, and off a fiber that function ends the process: so what calls it asks `may_suspend` first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from proxy.sandbox import raw
from proxy.sandbox.raw import Argument
from proxy.sandbox.store import failed

if TYPE_CHECKING:
    from proxy.sandbox.linker import Linker
    from proxy.sandbox.module import CoreFuncType
    from proxy.sandbox.store import Store


SUSPEND = "suspend"


class FiberCall:
    """One call of a core function. `close` ends it wherever it is, without running any more of the guest."""

    __slots__ = ("_block", "_future", "_kind", "_results", "resumed")

    def __init__(self, context: Argument, func: Argument, kind: CoreFuncType, values: Any) -> None:
        """`values`: a buffer of raw values, two words each, that holds the arguments."""
        self.resumed = False
        self._kind = kind
        params, results = len(kind.params), len(kind.results)
        self._block = raw.block(16 + (params + results) * raw.VALUE_SIZE)
        at = raw.address_of(self._block)
        first = at + 16
        for index, name in enumerate(kind.params):
            place = first + index * raw.VALUE_SIZE
            raw.set_word(place, raw.VALUE_KINDS[name])
            raw.set_word(place + raw.VALUE_OF, values[2 * index])
        self._results = first + params * raw.VALUE_SIZE
        numbers = (first, params, self._results, results, at, at + 8)
        self._future = raw.func_call_async(context, func, *map(raw.argument, numbers))

    def poll(self) -> bool:
        """Runs the guest until it waits (False) or is over (True). Raises what it failed with."""
        _running.append(self)
        try:
            over: bool = raw.call_future_poll(self._future)
        finally:
            _running.pop()
        self.resumed = True
        if over and (self._block[0] or self._block[1]):
            raise failed(self._block[1], self._block[0])
        return over

    def is_innermost(self) -> bool:
        """Whether it is what runs now, and no other call that it has led to."""
        return bool(_running) and _running[-1] is self

    def results(self, values: Any) -> None:
        """Puts the results into a buffer of raw values."""
        for index in range(len(self._kind.results)):
            values[2 * index] = raw.word(self._results + index * raw.VALUE_SIZE + raw.VALUE_OF)

    def close(self) -> None:
        if self._future:
            raw.call_future_delete(self._future)
            self._future = 0


_running: list[FiberCall] = []
"""The calls being polled, innermost last."""


def may_suspend(depth: int = 1) -> bool:
    """Whether the host function that asks (`depth` frames up) was called by a guest on a fiber, and not by one that
    another host function has called."""
    return sys._getframe(depth + 1).f_code is FiberCall.poll.__code__


def _suspended(
    env: int, caller: int, args: int, count: int, results: int, result_count: int, trap: int, continuation: int
) -> None:
    _running[-1].resumed = False
    raw.set_word(continuation, _continuation_address)


def _resumed(env: int) -> bool:
    return _running[-1].resumed


suspend_callback = raw.AsyncCallback(_suspended)
_continuation = raw.Continuation(_resumed)
_continuation_address = raw.code_address(_continuation)


def arm(store: Store, linker: Linker, table: Argument) -> None:
    """Puts the function that suspends into the first element of a table. After that nothing can be instantiated in the
    store any more."""
    extern, value = raw.block(raw.EXTERN_SIZE), raw.block(raw.VALUE_SIZE)
    at, place = raw.address_of(extern), raw.address_of(value)
    linker.get(store.pointer, b"", SUSPEND.encode(), at)
    raw.set_word(place, raw.FUNCREF)
    for offset in range(0, raw.FUNC_SIZE, 8):
        raw.set_word(place + raw.VALUE_OF + offset, raw.word(at + raw.EXTERN_OF + offset))
    error = raw.table_set(store.context, table, raw.argument(0), raw.argument(place))
    if error:
        raise failed(error, 0)
    store.waits = True

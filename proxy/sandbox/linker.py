"""The store-independent imports of one core module: host functions, defined once and used by every instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.sandbox import raw
from proxy.sandbox.engine import CompileError, Engine
from proxy.sandbox.fiber import SUSPEND, suspend_callback
from proxy.sandbox.module import CoreFuncType, Module, new_functype
from proxy.sandbox.trap import error_text

HostCallback = Callable[[int, int, int], int]
"""(nothing, nothing, address of arguments and results) to 0 or a trap from `carry`. Must not raise."""

ImportSource = tuple[int, bytes] | tuple[bytes, bytes]
"""What is given for an import: an export of a core instance (slot, name), or a host function (module, name)."""


class Linker:
    """wasmtime compares the type given here with the module's import when it instantiates."""

    def __init__(self, engine: Engine) -> None:
        self._address: int = raw.linker_new(engine.address)
        self._callbacks: list[Any] = []
        self._pre = 0

    def define(self, module: str, name: str, kind: CoreFuncType, function: HostCallback) -> None:
        self._define(raw.linker_define_func_unchecked, module, name, kind, raw.Callback(function))

    def define_suspend(self) -> None:
        """The function without parameters and results that suspends a guest (proxy.sandbox.fiber)."""
        self._define(raw.linker_define_async_func, "", SUSPEND, CoreFuncType((), ()), suspend_callback)

    def _define(self, define: raw.Raw, module: str, name: str, kind: CoreFuncType, callback: Any) -> None:
        self._callbacks.append(callback)
        functype = new_functype(kind)
        where, what = module.encode(), name.encode()
        error = define(
            self._address, where, len(where), what, len(what), functype, raw.code_address(callback), None, None
        )
        raw.functype_delete(functype)
        if error:
            raise CompileError(error_text(error))

    def prepare(self, module: Module) -> int:
        """The module with all its imports resolved, ready for `Store.instantiate_pre`."""
        out = raw.block(8)
        error = raw.linker_instantiate_pre(self._address, module.address, raw.address_of(out))
        if error:
            raise CompileError(error_text(error))
        self._pre = int(out[0])
        return self._pre

    def get(self, context: int, module: bytes, name: bytes, extern: int) -> None:
        """Puts one of the functions, as a store's own, into an extern."""
        raw.linker_get(self._address, context, module, len(module), name, len(name), extern)

    def close(self) -> None:
        if self._pre:
            raw.instance_pre_delete(self._pre)
            self._pre = 0
        if self._address:
            raw.linker_delete(self._address)
            self._address = 0

    def __del__(self) -> None:
        self.close()

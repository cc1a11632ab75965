"""The same guests through wasmtime-py's own component API, for the bench of our host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import wasmtime
from wasmtime.component import Component, Func, Instance, Linker


class Peer:
    """One component, ready to be instantiated. answers: what each imported function returns, by interface and name."""

    def __init__(self, data: bytes, answers: Mapping[str, Mapping[str, object]]) -> None:
        self._engine = wasmtime.Engine()
        self._component = Component(self._engine, data)
        self._linker = Linker(self._engine)
        with self._linker.root() as root:
            for interface, functions in answers.items():
                with root.add_instance(interface) as instance:
                    for name, answer in functions.items():
                        instance.add_func(name, _answering(answer))

    def instantiate(self) -> tuple[wasmtime.Store, Instance]:
        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=32 << 20)
        return store, self._linker.instantiate(store, self._component)

    def export(self, interface: str, name: str) -> Callable[..., object]:
        """A function of one instance that is kept."""
        store, instance = self.instantiate()
        function = self.find(store, instance, interface, name)

        def call(*arguments: object) -> object:
            result: object = function(store, *arguments)
            function.post_return(store)
            return result

        return call

    def find(self, store: wasmtime.Store, instance: Instance, interface: str, name: str) -> Func:
        outer = instance.get_export_index(store, f"sluice:filter/{interface}@0.1.0")
        inner = instance.get_export_index(store, name, outer)
        assert inner is not None
        function = instance.get_func(store, inner)
        assert function is not None
        return function


def _answering(answer: object) -> Callable[..., Any]:
    return lambda store, *arguments: answer

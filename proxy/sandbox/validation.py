"""An engine that checks components and core modules and runs nothing.

Its settings are those of the engine that runs guests, but that it knows components, and that it takes no trouble with
the machine code of what it compiles only to throw it away.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.sandbox import raw
from proxy.sandbox.trap import error_text

COMPONENT_FEATURES = {
    # The types of core modules may be described in words that no module that runs here may use.
    "wasm_gc": True,
    "wasm_function_references": True,
    "gc_support": True,
    "concurrency_support": True,
    "wasm_component_model": True,
    "wasm_component_model_async": True,
    "wasm_component_model_async_stackful": True,
    "wasm_component_model_more_async_builtins": True,
    "wasm_component_model_map": True,
    "wasm_component_model_implements": True,
}


class ValidationEngine:
    """Made when it is first asked."""

    def __init__(self, features: Mapping[str, bool]) -> None:
        self._features = {**features, **COMPONENT_FEATURES}
        self._address = 0

    def component(self, data: bytes) -> str | None:
        """None for a valid component, else what is wrong with it."""
        out = raw.block(8)
        error = raw.component_new(self._engine(), data, len(data), raw.address_of(out))
        if error:
            return error_text(error)
        raw.component_delete(out[0])
        return None

    def module(self, data: bytes) -> str | None:
        """None for a valid core module, else what is wrong with it."""
        error = raw.module_validate(self._engine(), data, len(data))
        return error_text(error) if error else None

    def _engine(self) -> int:
        if not self._address:
            config: int = raw.config_new()
            for name, value in self._features.items():
                raw.config_bool[name](config, value)
            raw.config_opt_level(config, raw.OPT_LEVEL_NONE)
            self._address = raw.engine_new(config)
        return self._address

    def close(self) -> None:
        if self._address:
            raw.engine_delete(self._address)
            self._address = 0

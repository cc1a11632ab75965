"""The wasmtime engine: its settings, its pool, its clock, and the modules compiled with it."""

from __future__ import annotations

import hashlib
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any

from proxy.sandbox import raw
from proxy.sandbox.code_cache import CodeCache
from proxy.sandbox.module import Module
from proxy.sandbox.ticker import Ticker
from proxy.sandbox.trap import error_text
from proxy.sandbox.validation import COMPONENT_FEATURES, ValidationEngine

# What WebAssembly leaves open is fixed (NaN bits, relaxed SIMD), so that a run depends on nothing but its inputs.
FEATURES = {
    "epoch_interruption": True,
    "cranelift_nan_canonicalization": True,
    "wasm_relaxed_simd_deterministic": True,
    "wasm_tail_call": True,  # as they are by default; what stands in front of imports needs them
    "wasm_multi_memory": True,
    "wasm_threads": False,
    "shared_memory": False,
    "wasm_gc": False,
    "wasm_function_references": False,
    "wasm_stack_switching": False,
    "wasm_component_model": False,
    "gc_support": True,  # for exceptions alone, which wasmtime keeps in a heap of its own
    "concurrency_support": False,
    "memory_init_cow": True,
}
MAX_STACK = 512 << 10

# Room for 2,000 instances, each with a second core module or a second memory (an adapter, what stands in front of its
# imports): 16 TiB of addresses. The first pages of a memory are wiped when its instance is gone, not given back: taking
# them anew would cost more than all the rest. All of them are, though, used or not, and stay resident: so only as many
# as a small guest has. A new module takes a place that nobody had before, until so many are warm: memory grows by one
# with each reload, up to there.
POOL = {
    "total_core_instances": 4_000,
    "total_memories": 4_000,
    "total_tables": 4_000,
    "max_memories_per_module": 4,
    "max_tables_per_module": 16,
    "max_core_instance_size": 1 << 20,
    "table_elements": 100_000,
    "max_unused_warm_slots": 64,
    "linear_memory_keep_resident": 128 << 10,
    "table_keep_resident": 64 << 10,
}


class CompileError(Exception):
    """wasmtime refuses a core module."""


class Engine:
    """One per process. Guests run on one thread at a time; another may compile meanwhile.

    `code_cache` is a directory for machine code, None for none. `compiles` counts modules that were really compiled.
    """

    def __init__(self, code_cache: Path | None = None) -> None:
        self.address: int = raw.engine_new(_configuration())
        self.compiles = 0
        self.ticker = Ticker(self._advance)
        self._modules: weakref.WeakValueDictionary[str, Module] = weakref.WeakValueDictionary()
        self._validation = ValidationEngine(FEATURES)
        self._valid: set[str] = set()
        fingerprint = f"{raw.VERSION} {sorted(FEATURES.items())} {MAX_STACK}"
        self._cache = None if code_cache is None else CodeCache(code_cache, fingerprint)

    def _advance(self) -> None:
        raw.engine_increment_epoch(self.address)

    def module(self, data: bytes) -> Module:
        """The compiled module; the same one as long as somebody holds it. Raises CompileError."""
        digest = hashlib.sha256(data).hexdigest()
        module = self._modules.get(digest)
        if module is None:
            address = self._stored(digest) or self._compile(digest, data)
            module = self._modules[digest] = Module(address, digest)
        return module

    def validate(self, component: bytes) -> None:
        """Checks a component whose core modules are, or will be, compiled apart: it had better be without their code.
        That one is valid is remembered, with the machine code too. Raises CompileError."""
        digest = hashlib.sha256(component).hexdigest()
        entry = f"valid component {digest} {sorted(COMPONENT_FEATURES.items())}"
        if digest in self._valid or (self._cache is not None and self._cache.load(entry) is not None):
            return
        error = self._validation.component(component)
        if error is not None:
            raise CompileError(error)
        self._valid.add(digest)
        if self._cache is not None:
            self._cache.store(entry, b"")

    def validate_module(self, data: bytes) -> None:
        """Checks a core module that will perhaps not be compiled. Raises CompileError."""
        error = self._validation.module(data)
        if error is not None:
            raise CompileError(error)

    def is_valid_module(self, data: bytes) -> bool:
        return self._validation.module(data) is None

    def _stored(self, digest: str) -> int:
        code = None if self._cache is None else self._cache.load(digest)
        if code is None:
            return 0
        out = raw.block(8)
        error = raw.module_deserialize(self.address, code, len(code), raw.address_of(out))
        if error:
            error_text(error)
        return int(out[0])

    def _compile(self, digest: str, data: bytes) -> int:
        out = raw.block(8)
        error = raw.module_new(self.address, data, len(data), raw.address_of(out))
        if error:
            raise CompileError(error_text(error))
        self.compiles += 1
        if self._cache is not None:
            self._cache.store(digest, _serialized(out[0]))
        return int(out[0])

    def close(self) -> None:
        """Stops the clock and frees the engine. No instance may be alive, and nothing of it used afterwards."""
        if self.address:
            self.ticker.close()
            for module in list(self._modules.values()):
                module.close()
            self._validation.close()
            raw.engine_delete(self.address)
            self.address = 0

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def _configuration() -> int:
    config: int = raw.config_new()
    for name, value in FEATURES.items():
        raw.config_bool[name](config, value)
    raw.config_max_wasm_stack(config, MAX_STACK)
    pooling = raw.pooling_new()
    for name, number in POOL.items():
        raw.pooling_set[name](pooling, number)
    raw.pooling_strategy(config, pooling)
    raw.pooling_delete(pooling)
    return config


def _serialized(module: int) -> bytes:
    vector: Any = raw.block(raw.VEC_SIZE)
    address = raw.address_of(vector)
    error = raw.module_serialize(module, address)
    if error:
        raise CompileError(error_text(error))
    code = raw.bytes_at(vector[1], vector[0])
    raw.byte_vec_delete(address)
    return bytes(code)

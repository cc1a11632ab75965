"""wasmtime's C API (crates/c-api, version 50) as plain functions on addresses: the only place that knows ctypes.

Every pointer is an int, 0 for NULL, so that a call costs as little as ctypes can: no pointer objects, no conversions.
Of each int, though, ctypes makes an argument first, and five of them cost more than the call. So what is called again
and again with the same addresses is given arguments that were made once (`Argument`, `_ready`).

The library is loaded straight from the wasmtime package's folder; its Python part, which would take a tenth of a second
to import and keeps global state, is not.

What runs guests or compiles releases the interpreter lock (`_blocking`); everything else keeps it, which is cheaper.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable
from ctypes import c_bool, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, NewType

VERSION = importlib.metadata.version("wasmtime")
SUPPORTED_MAJOR = "50"

if VERSION.split(".")[0] != SUPPORTED_MAJOR:
    raise ImportError(f"wasmtime {VERSION} is installed, but the raw calls here are those of {SUPPORTED_MAJOR}.x")

_LIBRARIES = {"linux": "_libwasmtime.so", "darwin": "_libwasmtime.dylib", "win32": "_wasmtime.dll"}
_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64", "ARM64": "aarch64"}


def _library() -> str:
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or spec.origin is None:
        raise ImportError("the wasmtime package is not installed")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return str(Path(spec.origin).parent / f"{sys.platform}-{machine}" / _LIBRARIES[sys.platform])


_path = _library()
_keeping = ctypes.PyDLL(_path)
_releasing = ctypes.CDLL(_path)

Raw = Callable[..., Any]


def _declare(library: ctypes.CDLL, name: str, result: Any, arguments: tuple[Any, ...]) -> Raw:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function  # type: ignore[no-any-return]


def _quick(name: str, result: Any, *arguments: Any) -> Raw:
    return _declare(_keeping, name, result, arguments)


def _blocking(name: str, result: Any, *arguments: Any) -> Raw:
    return _declare(_releasing, name, result, arguments)


P = c_size_t
"""A pointer, as an int in both directions."""

Argument = NewType("Argument", object)
"""An address or a size as ctypes passes it on."""

argument: Callable[[int], Argument] = P.from_param  # type: ignore[assignment]


def _ready(library: ctypes.CDLL, name: str, result: Any) -> Raw:
    """A function that is given Arguments alone. (ctypes would take an int for a C int, and cut it off.)"""
    function = getattr(library, name)
    function.restype = result
    return function  # type: ignore[no-any-return]


# Sizes and layouts of the structures that cross the boundary (wasmtime/extern.h, val.h, instance.h; wasm.h).
RAW_VALUE_SIZE = 16  # wasmtime_val_raw_t
EXTERN_SIZE = 32  # wasmtime_extern_t: kind at 0, the union at 8
EXTERN_OF = 8
INSTANCE_SIZE = 16  # wasmtime_instance_t
VEC_SIZE = 16  # wasm_*_vec_t: size, data
VALUE_SIZE = 32  # wasmtime_val_t: kind at 0, the union at 8
VALUE_OF = 8
FUNCREF = 5  # the kind of a function in one
FUNC_SIZE = 16  # wasmtime_func_t
EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_SHARED_MEMORY, EXTERN_TAG = range(6)
# wasm_externkind_t of a type, which numbers kinds differently from wasmtime_extern_kind_t.
TYPE_FUNC, TYPE_GLOBAL, TYPE_TABLE, TYPE_MEMORY, TYPE_TAG = range(5)
VALUE_KINDS = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}

# Configuration.
config_new = _quick("wasm_config_new", P)
config_bool = {
    name: _quick(f"wasmtime_config_{name}_set", None, P, c_bool)
    for name in (
        "consume_fuel",
        "epoch_interruption",
        "wasm_threads",
        "shared_memory",
        "wasm_tail_call",
        "wasm_reference_types",
        "wasm_function_references",
        "wasm_gc",
        "gc_support",
        "wasm_simd",
        "wasm_relaxed_simd",
        "wasm_relaxed_simd_deterministic",
        "wasm_bulk_memory",
        "wasm_multi_value",
        "wasm_multi_memory",
        "wasm_memory64",
        "wasm_exceptions",
        "wasm_stack_switching",
        "wasm_component_model",
        "wasm_component_model_async",
        "wasm_component_model_async_stackful",
        "wasm_component_model_more_async_builtins",
        "wasm_component_model_map",
        "wasm_component_model_implements",
        "concurrency_support",
        "cranelift_nan_canonicalization",
        "memory_init_cow",
        "native_unwind_info",
    )
}
config_opt_level = _quick("wasmtime_config_cranelift_opt_level_set", None, P, c_uint8)
OPT_LEVEL_NONE = 0
config_max_wasm_stack = _quick("wasmtime_config_max_wasm_stack_set", None, P, c_size_t)
config_memory_reservation = _quick("wasmtime_config_memory_reservation_set", None, P, c_uint64)
config_memory_guard_size = _quick("wasmtime_config_memory_guard_size_set", None, P, c_uint64)
pooling_new = _quick("wasmtime_pooling_allocation_config_new", P)
pooling_delete = _quick("wasmtime_pooling_allocation_config_delete", None, P)
pooling_set = {
    name: _quick(f"wasmtime_pooling_allocation_config_{name}_set", None, P, c_size_t)
    for name in (
        "linear_memory_keep_resident",
        "table_keep_resident",
        "max_core_instance_size",
        "table_elements",
        "max_memory_size",
        "decommit_batch_size",
    )
} | {
    name: _quick(f"wasmtime_pooling_allocation_config_{name}_set", None, P, c_uint32)
    for name in (
        "max_unused_warm_slots",
        "total_core_instances",
        "total_memories",
        "total_tables",
        "total_stacks",
        "max_memories_per_module",
        "max_tables_per_module",
        "total_gc_heaps",
    )
}
pooling_strategy = _quick("wasmtime_pooling_allocation_strategy_set", None, P, P)

# Engine.
engine_new = _quick("wasm_engine_new_with_config", P, P)
engine_delete = _quick("wasm_engine_delete", None, P)
engine_increment_epoch = _quick("wasmtime_engine_increment_epoch", None, P)

# Modules.
module_new = _blocking("wasmtime_module_new", P, P, c_void_p, c_size_t, P)
module_validate = _blocking("wasmtime_module_validate", P, P, c_void_p, c_size_t)
module_delete = _quick("wasmtime_module_delete", None, P)
module_serialize = _blocking("wasmtime_module_serialize", P, P, P)
module_deserialize = _blocking("wasmtime_module_deserialize", P, P, c_void_p, c_size_t, P)
module_imports = _quick("wasmtime_module_imports", None, P, P)
module_exports = _quick("wasmtime_module_exports", None, P, P)
importtype_vec_delete = _quick("wasm_importtype_vec_delete", None, P)
exporttype_vec_delete = _quick("wasm_exporttype_vec_delete", None, P)
importtype_module = _quick("wasm_importtype_module", P, P)
importtype_name = _quick("wasm_importtype_name", P, P)
importtype_type = _quick("wasm_importtype_type", P, P)
exporttype_name = _quick("wasm_exporttype_name", P, P)
exporttype_type = _quick("wasm_exporttype_type", P, P)
externtype_kind = _quick("wasm_externtype_kind", c_uint8, P)
externtype_as_functype = _quick("wasm_externtype_as_functype_const", P, P)
externtype_as_memorytype = _quick("wasm_externtype_as_memorytype_const", P, P)
memorytype_is64 = _quick("wasmtime_memorytype_is64", c_bool, P)
memorytype_minimum = _quick("wasmtime_memorytype_minimum", c_uint64, P)
memorytype_page_size = _quick("wasmtime_memorytype_page_size", c_uint64, P)
functype_params = _quick("wasm_functype_params", P, P)
functype_results = _quick("wasm_functype_results", P, P)
functype_new = _quick("wasm_functype_new", P, P, P)
functype_delete = _quick("wasm_functype_delete", None, P)
# wasm_valtype_kind would do, but it ends the process for types that the plain C API does not know, such as v128.
valtype_equal = _quick("wasmtime_wasm_valtype_equal", c_bool, P, P)
valtype_new = _quick("wasm_valtype_new", P, c_uint8)
valtype_vec_new = _quick("wasm_valtype_vec_new", None, P, c_size_t, P)
byte_vec_delete = _quick("wasm_byte_vec_delete", None, P)

# Components, only ever made to have them validated.
component_new = _blocking("wasmtime_component_new", P, P, c_void_p, c_size_t, P)
component_delete = _quick("wasmtime_component_delete", None, P)

# Stores.
store_new = _quick("wasmtime_store_new", P, P, c_void_p, c_void_p)
store_context = _quick("wasmtime_store_context", P, P)
store_limiter = _quick("wasmtime_store_limiter", None, P, c_int64, c_int64, c_int64, c_int64, c_int64)
store_delete = _quick("wasmtime_store_delete", None, P)
context_set_epoch_deadline = _quick("wasmtime_context_set_epoch_deadline", None, P, c_uint64)

# Linking and instances.
linker_new = _quick("wasmtime_linker_new", P, P)
linker_delete = _quick("wasmtime_linker_delete", None, P)
linker_define_func_unchecked = _quick(
    "wasmtime_linker_define_func_unchecked",
    P,
    P,
    c_void_p,
    c_size_t,
    c_void_p,
    c_size_t,
    P,
    c_void_p,
    c_void_p,
    c_void_p,
)
linker_get = _quick("wasmtime_linker_get", c_bool, P, P, c_void_p, c_size_t, c_void_p, c_size_t, P)
linker_instantiate_pre = _quick("wasmtime_linker_instantiate_pre", P, P, P, P)
instance_pre_delete = _quick("wasmtime_instance_pre_delete", None, P)
instance_pre_instantiate = _blocking("wasmtime_instance_pre_instantiate", P, P, P, P, P)
instance_new = _blocking("wasmtime_instance_new", P, P, P, P, c_size_t, P, P)
instance_export_get = _quick("wasmtime_instance_export_get", c_bool, P, P, c_void_p, c_size_t, P)

# Functions and memories of an instance.
func_call_unchecked: Callable[[Argument, Argument, Argument, Argument, Argument], int] = _ready(
    _releasing, "wasmtime_func_call_unchecked", P
)
memory_data: Callable[[Argument, Argument], int] = _ready(_keeping, "wasmtime_memory_data", P)
memory_data_size: Callable[[Argument, Argument], int] = _ready(_keeping, "wasmtime_memory_data_size", c_size_t)
global_get: Callable[[Argument, Argument, Argument], None] = _ready(_keeping, "wasmtime_global_get", None)
global_set: Callable[[Argument, Argument, Argument], int] = _ready(_keeping, "wasmtime_global_set", P)

# Calls on a stack of their own (wasmtime/async.h).
linker_define_async_func = _quick(
    "wasmtime_linker_define_async_func", P, P, c_void_p, c_size_t, c_void_p, c_size_t, P, c_void_p, c_void_p, c_void_p
)
func_call_async: Callable[..., int] = _ready(_keeping, "wasmtime_func_call_async", P)
call_future_poll = _blocking("wasmtime_call_future_poll", c_bool, P)
table_set: Callable[[Argument, Argument, Argument, Argument], int] = _ready(_keeping, "wasmtime_table_set", P)
call_future_delete = _blocking("wasmtime_call_future_delete", None, P)

# Errors and traps.
error_message = _quick("wasmtime_error_message", None, P, P)
error_delete = _quick("wasmtime_error_delete", None, P)
trap_new = _quick("wasmtime_trap_new", P, c_void_p, c_size_t)
trap_code = _quick("wasmtime_trap_code", c_bool, P, P)
trap_message = _quick("wasm_trap_message", None, P, P)
trap_delete = _quick("wasm_trap_delete", None, P)

# Memory of the process, by address.
Callback = ctypes.CFUNCTYPE(P, c_uint8, c_uint8, P)
"""wasmtime_func_unchecked_callback_t: (env, caller, arguments and results, their number) to a trap or 0. No more is
declared than is looked at, which is the address of the arguments, as each number that ctypes makes costs something: of
the first two one byte each, and the last one not at all. In the calling conventions that there are it is the caller who
clears arguments away, and the low byte of an integer is where all of it is."""
AsyncCallback = ctypes.CFUNCTYPE(None, P, P, P, c_size_t, P, c_size_t, P, P)
"""wasmtime_func_async_callback_t: (env, caller, arguments, their number, results, their number, where a trap goes,
where the continuation goes, of which the first word is a Continuation)."""
Continuation = ctypes.CFUNCTYPE(c_bool, P)
"""wasmtime_func_async_continuation_callback_t: (env) to whether the host function is done."""

_memory_view = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_view.argtypes = (c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_memory_view.restype = ctypes.py_object
_PYBUF_WRITE = 0x200


def view(address: int, size: int) -> memoryview:
    """The `size` bytes at an address. Nothing keeps them alive."""
    return _memory_view(address, size, _PYBUF_WRITE)  # type: ignore[no-any-return]


def block(size: int) -> Any:
    """Zeroed bytes of C memory that live as long as the returned buffer does."""
    return (c_uint64 * ((size + 7) // 8))()


def slots_type(count: int) -> Any:
    """The ctypes array type of `count` raw values: its `from_address` is the quickest way to a buffer."""
    return c_uint64 * (2 * count)


if sys.platform == "linux":
    _madvise = _declare(ctypes.PyDLL(None), "madvise", ctypes.c_int, (P, c_size_t, ctypes.c_int))

address_of = ctypes.addressof
bytes_at = ctypes.string_at


_MADV_DONTNEED = 4


def give_back(address: int, size: int) -> bool:
    """Has Linux take the pages there: they are as when they were mapped, until they are touched again."""
    return sys.platform == "linux" and bool(_madvise(address, size, _MADV_DONTNEED) == 0)


def word(address: int) -> int:
    """The 64-bit word at an address."""
    return c_uint64.from_address(address).value


def set_word(address: int, value: int) -> None:
    """Writes the 64-bit word at an address."""
    c_uint64.from_address(address).value = value


def code_address(callback: Any) -> int:
    """The C function of a Callback, which lives as long as the Callback does."""
    return ctypes.cast(callback, c_void_p).value or 0


def vec(address: int) -> list[int]:
    """The items of a wasm_*_vec_t of pointers."""
    count, data = word(address), word(address + 8)
    return [word(data + 8 * index) for index in range(count)]


def text(address: int) -> str:
    """A wasm_name_t as text, every byte of it: names that look alike must not be taken for each other."""
    return bytes_at(word(address + 8), word(address)).decode()


def message(address: int) -> str:
    """A wasm_message_t as text, without the zero byte at its end."""
    return bytes_at(word(address + 8), word(address)).rstrip(b"\0").decode(errors="replace")

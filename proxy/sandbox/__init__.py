"""The wasmtime engine for every guest: raw calls, limits, traps, machine code on disk. Knows nothing of components."""

from proxy.sandbox import fiber
from proxy.sandbox.deadline import Deadline
from proxy.sandbox.engine import CompileError, Engine
from proxy.sandbox.fiber import FiberCall, may_suspend
from proxy.sandbox.image import GlobalImage, MemoryImage, Restore
from proxy.sandbox.limits import Limits
from proxy.sandbox.linker import HostCallback, ImportSource, Linker
from proxy.sandbox.module import CoreExtern, CoreFuncType, CoreMemoryType, Module
from proxy.sandbox.raw import Argument, argument
from proxy.sandbox.store import CALL_RUNTIME, Memory, RawValues, Store, StoreLayout, call, carry, raw_values_at
from proxy.sandbox.trap import PoolExhausted, Trap, TrapKind

__all__ = [
    "CALL_RUNTIME",
    "Argument",
    "CompileError",
    "CoreExtern",
    "CoreFuncType",
    "CoreMemoryType",
    "Deadline",
    "Engine",
    "FiberCall",
    "GlobalImage",
    "HostCallback",
    "ImportSource",
    "Limits",
    "Linker",
    "Memory",
    "MemoryImage",
    "Module",
    "PoolExhausted",
    "RawValues",
    "Restore",
    "Store",
    "StoreLayout",
    "Trap",
    "TrapKind",
    "argument",
    "call",
    "carry",
    "fiber",
    "may_suspend",
    "raw_values_at",
]

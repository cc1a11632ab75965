"""The one way a call into a guest fails, and how wasmtime's errors and traps become it. Frees what it reads."""

from __future__ import annotations

import enum
import re

from proxy.sandbox import raw

MAX_FRAMES = 30
MAX_MESSAGE = 20_000


class TrapKind(enum.Enum):
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    STACK = "stack"
    HOST = "host"
    ABI = "abi"
    """The guest broke a rule of the canonical ABI."""
    OTHER = "other"


class Trap(Exception):
    """A guest was stopped. Its instance cannot be called again.

    `backtrace` has the guest's frames, innermost first, one per line as "0: crate::func"; a function without a name
    is "<wasm function 7>". When a host function raised, kind is HOST and `__cause__` what it raised.
    """

    def __init__(self, kind: TrapKind, message: str, backtrace: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.backtrace = backtrace


class PoolExhausted(Exception):
    """More instances are alive than the engine has room for: close some, or make fewer at a time."""


_KINDS = {
    0: (TrapKind.STACK, "stack overflow"),
    1: (TrapKind.MEMORY, "memory access out of bounds"),
    3: (TrapKind.OTHER, "table access out of bounds"),
    4: (TrapKind.OTHER, "indirect call to null"),
    5: (TrapKind.OTHER, "indirect call of another type"),
    6: (TrapKind.OTHER, "integer overflow"),
    7: (TrapKind.OTHER, "integer division by zero"),
    8: (TrapKind.OTHER, "float too large for an integer"),
    9: (TrapKind.UNREACHABLE, "unreachable executed"),
    10: (TrapKind.TIMEOUT, "time limit exceeded"),
    15: (TrapKind.MEMORY, "allocation too large"),
}

_vec = raw.block(raw.VEC_SIZE)
_vec_address = raw.address_of(_vec)
_code = raw.block(8)
_code_address = raw.address_of(_code)


def take_trap(trap: int) -> Trap:
    """The Trap for a wasm_trap_t, which is freed."""
    has_code = raw.trap_code(trap, _code_address)
    known = _KINDS.get(_code[0] & 0xFF) if has_code else None
    raw.trap_message(trap, _vec_address)
    message = raw.message(_vec_address)
    raw.byte_vec_delete(_vec_address)
    raw.trap_delete(trap)
    kind, text = known or (TrapKind.OTHER, _cause(message))
    return Trap(kind, text, _backtrace(message))


def take_error(error: int) -> Exception:
    """The exception for a wasmtime_error_t that a guest's run or making ended with; the error is freed."""
    message = error_text(error)
    cause = _cause(message)
    if cause.startswith("maximum concurrent"):
        return PoolExhausted(f"too many instances are alive: {cause}")
    return Trap(TrapKind.MEMORY if "memory" in cause else TrapKind.OTHER, cause, _backtrace(message))


def error_text(error: int) -> str:
    """The message of a wasmtime_error_t, which is freed. In any thread: one may compile while another runs guests."""
    vec = raw.block(raw.VEC_SIZE)
    address = raw.address_of(vec)
    raw.error_message(error, address)
    message = raw.message(address)
    raw.byte_vec_delete(address)
    raw.error_delete(error)
    return message[:MAX_MESSAGE]


_FRAME = re.compile(r"^ *\d+: +0x[0-9a-f]+ - [^!\n]*!(.+)$", re.MULTILINE)
_HASH = re.compile(r"\[[0-9a-f]{8,}\]")


def _cause(message: str) -> str:
    """What happened: the last line of wasmtime's account."""
    return message.strip().rsplit("\n", 1)[-1].strip()[:200]


def _backtrace(message: str) -> str:
    """The frames in wasmtime's account, which has the names demangled. Only their disambiguating hashes are left
    out."""
    names = _FRAME.findall(message)[:MAX_FRAMES]
    return "\n".join(f"{number}: {_HASH.sub('', name)[:200]}" for number, name in enumerate(names))

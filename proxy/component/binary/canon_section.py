"""Canonical definitions (Binary.md, canonical definitions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component.binary import definitions as d
from proxy.component.binary.names import valtype
from proxy.component.binary.reader import Reader

ENCODINGS = {0x00: "utf8", 0x01: "utf16", 0x02: "latin1+utf16"}
INDEX_OPTIONS = {0x03: "memory", 0x04: "realloc", 0x05: "post_return", 0x07: "callback"}
RESOURCE_OPERATIONS = {0x02: "new", 0x03: "drop", 0x04: "rep"}


def canon(reader: Reader) -> d.Definition:
    offset = reader.position
    opcode = reader.byte()
    if opcode in (0x00, 0x01):
        if reader.byte() != 0x00:
            raise reader.fail("only functions are lifted and lowered")
        index, options = reader.u32(), _options(reader)
        if opcode == 0x00:
            return d.CanonLift(offset, index, options, reader.u32())
        return d.CanonLower(offset, index, options)
    if opcode in RESOURCE_OPERATIONS:
        return d.CanonResource(offset, RESOURCE_OPERATIONS[opcode], reader.u32())
    if opcode not in _BUILTINS:
        raise reader.fail(f"unknown canonical definition 0x{opcode:02x}")
    name, immediates = _BUILTINS[opcode]
    given = tuple([immediate(reader) for immediate in immediates])
    return d.CanonBuiltin(offset, reader.position, name, given)


def _options(reader: Reader) -> d.CanonOptions:
    given: dict[str, Any] = {}
    for _ in range(reader.u32()):
        name, value = _option(reader)
        if name in given:
            raise reader.fail(f"canonical option {name} given twice")
        given[name] = value
    return d.CanonOptions(**given)


def _option(reader: Reader) -> tuple[str, str | int | bool]:
    opcode = reader.byte()
    if opcode in ENCODINGS:
        return "encoding", ENCODINGS[opcode]
    if opcode in INDEX_OPTIONS:
        return INDEX_OPTIONS[opcode], reader.u32()
    if opcode == 0x06:
        return "is_async", True
    raise reader.fail(f"unknown canonical option 0x{opcode:02x}")


# Built-ins of the asynchronous ABI: read past, and refused by the linker until it runs them.


def _result_list(reader: Reader) -> object:
    """The type of a result, None without one."""
    form = reader.byte()
    if form == 0x00:
        return valtype(reader)
    if form != 0x01 or reader.byte() != 0x00:
        raise reader.fail("a function has one result or none")
    return None


_Immediate = Callable[[Reader], object]
_u32: _Immediate = Reader.u32
_byte: _Immediate = Reader.byte
_flag: _Immediate = Reader.flag

_BUILTINS: dict[int, tuple[str, tuple[_Immediate, ...]]] = {
    0x24: ("backpressure.inc", ()),
    0x25: ("backpressure.dec", ()),
    0x09: ("task.return", (_result_list, _options)),
    0x05: ("task.cancel", ()),
    0x0A: ("context.get", (_byte, _u32)),
    0x0B: ("context.set", (_byte, _u32)),
    0x06: ("subtask.cancel", (_flag,)),
    0x0D: ("subtask.drop", ()),
    0x0E: ("stream.new", (_u32,)),
    0x0F: ("stream.read", (_u32, _options)),
    0x10: ("stream.write", (_u32, _options)),
    0x11: ("stream.cancel-read", (_u32, _flag)),
    0x12: ("stream.cancel-write", (_u32, _flag)),
    0x13: ("stream.drop-readable", (_u32,)),
    0x14: ("stream.drop-writable", (_u32,)),
    0x15: ("future.new", (_u32,)),
    0x16: ("future.read", (_u32, _options)),
    0x17: ("future.write", (_u32, _options)),
    0x18: ("future.cancel-read", (_u32, _flag)),
    0x19: ("future.cancel-write", (_u32, _flag)),
    0x1A: ("future.drop-readable", (_u32,)),
    0x1B: ("future.drop-writable", (_u32,)),
    0x1C: ("error-context.new", (_options,)),
    0x1D: ("error-context.debug-message", (_options,)),
    0x1E: ("error-context.drop", ()),
    0x1F: ("waitable-set.new", ()),
    0x20: ("waitable-set.wait", (_flag, _u32)),
    0x21: ("waitable-set.poll", (_flag, _u32)),
    0x22: ("waitable-set.drop", ()),
    0x23: ("waitable.join", ()),
    0x0C: ("thread.yield", (_flag,)),
    0x26: ("thread.index", ()),
    0x27: ("thread.new-indirect", (_u32, _u32)),
    0x28: ("thread.resume-later", ()),
    0x29: ("thread.suspend", (_flag,)),
    0x2A: ("thread.suspend-then-resume", (_flag,)),
    0x2B: ("thread.yield-then-resume", (_flag,)),
    0x2C: ("thread.suspend-then-promote", (_flag,)),
    0x2D: ("thread.yield-then-promote", (_flag,)),
    0x40: ("thread.spawn-ref", (_flag, _u32)),
    0x41: ("thread.spawn-indirect", (_flag, _u32, _u32)),
    0x42: ("thread.available-parallelism", (_flag,)),
}

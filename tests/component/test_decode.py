"""Untrusted bytes: one DecodeError with an offset, soon, or a component; never anything else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.component import DecodeError, FuncType, HostInterface, InstanceType, LinkError, decode, interfaces, link
from proxy.component import types as t
from proxy.sandbox import Engine, Limits, PoolExhausted, Trap
from tests.component.guests import BUILT, WIT, parse, run

PREAMBLE = b"\0asm\x0d\0\x01\0"


def leb(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def types(*definitions: bytes) -> bytes:
    return PREAMBLE + section(7, leb(len(definitions)) + b"".join(definitions))


BROKEN = [
    (b"", 0, "not WebAssembly"),
    (b"<html>", 0, "not WebAssembly"),
    (b"\0asm\x01\0\0\0", 0, "core module, not a component"),
    (b"\0asm\x0e\0\x01\0", 0, "unknown version"),
    (PREAMBLE + b"\x63\x00", 10, "unknown section 99"),
    (PREAMBLE + b"\x07\x05\x01", 10, "section 7 announces 5 bytes, 1 left"),
    (PREAMBLE + b"\x07\x01", 10, "announces 1 bytes, 0 left"),
    (PREAMBLE + b"\x07\x06\xff\xff\xff\xff\x0f\x7f", 15, "4294967295 definitions announced in 1 bytes"),
    (PREAMBLE + b"\x07\x06\xff\xff\xff\xff\x1f\x7f", 15, "integer too large"),
    (types(b"\x00"), 12, "unknown type 0x00"),
    (types(b"\x70\x05"), 11, "there is no type 5"),
    (types(b"\x70\x00"), 11, "there is no type 0"),
    (types(b"\x72\xff\xff\xff\xff\x0f"), 17, "items announced"),
    (types(b"\x72\x00"), 11, "a type without parts"),
    (types(b"\x6d\x02\x01a\x01A"), 11, "a label stands twice"),
    (types(b"\x6e" + leb(33) + b"".join(b"\x02" + b"%02d" % index for index in range(33))), 11, "more than 32"),
    (types(b"\x7f", b"\x00"), 13, "unknown type"),
    (types(b"\x7f") + b"\x07\x03\x01\x7f\x7f", 0, "1 unread bytes at the end of section 7"),
    (types(b"\x40\x00\x01\x00", b"\x70\x00"), 15, "type 0 is not a value type"),
    (types(b"\x40\x01\x02\xff\xfe\x7f\x00\x7f"), 13, "not UTF-8"),
    (PREAMBLE + section(6, b"\x01\x01\x00\x00\x01a"), 11, "there is no instance 0"),
    (PREAMBLE + section(6, b"\x01\x03\x02\x05\x00"), 11, "there are no 5 enclosing components"),
    (PREAMBLE + section(8, b"\x01\x00\x00\x00\x00\x00"), 11, "there is no core func 0"),
    (PREAMBLE + section(9, b"\x00\x00\x00"), 10, "start functions and values are not supported"),
]


@pytest.mark.parametrize(("data", "offset", "message"), BROKEN, ids=[message[:30] for _, _, message in BROKEN])
def test_broken_bytes_are_refused_with_their_place(data: bytes, offset: int, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        decode(data)
    assert caught.value.offset == offset or offset == 0


def nested_components(depth: int) -> bytes:
    data = PREAMBLE
    for _ in range(depth):
        data = PREAMBLE + section(4, data)
    return data


def doubled(levels: int) -> bytes:
    """Records of two of the record before: twice the size at each level, in a few bytes."""
    return types(b"\x72\x01\x01a\x7f", *[b"\x72\x02\x01a" + leb(n) + b"\x01b" + leb(n) for n in range(levels)])


def multiplied(levels: int) -> bytes:
    """Components that instantiate the one before ten times."""
    data = PREAMBLE
    for _ in range(levels):
        data = PREAMBLE + section(4, data) + section(5, leb(10) + b"\x00\x00\x00" * 10)
    return data


HOSTILE = [
    (nested_components(60), "components nested deeper"),
    (types(*[b"\x70" + leb(max(0, n - 1)) if n else b"\x7f" for n in range(60)], b"\x70\x3b"), "type nested deeper"),
    (doubled(30), "more than 100000 parts"),
    (multiplied(8), "too complex|more than 1000"),
    (types(b"\x42\x01\x01" * 60 + b"\x42\x00"), "types nested deeper"),
    (types(b"\x6d" + leb(200_000) + b"".join(b"\x06%06d" % n for n in range(200_000))), None),
    (types(*[b"\x70\x7f"] * 150_000), "too complex"),
]


@pytest.mark.parametrize(("data", "message"), HOSTILE, ids=lambda part: "" if isinstance(part, bytes) else str(part))
def test_absurd_components_are_refused_soon(data: bytes, message: str | None) -> None:
    started = time.process_time()  # not of the clock on the wall: other processes' time is not ours
    if message is None:
        decode(data)
    else:
        with pytest.raises(DecodeError, match=message):
            decode(data)
    assert time.process_time() - started < 20


SMALL = parse("""(component
  (import "a:b/c@0.1.0" (instance $c
    (export "f" (func (param "x" string) (result (option string))))
    (export "r" (type (sub resource)))))
  (core module $m (memory (export "m") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
    (func (export "go") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (type $t (tuple u8 (list string)))
  (func (export "go") (param "s" string) (result $t)
    (canon lift (core func $i "go") (memory (core memory $i "m")) (realloc (core func $i "realloc")))))""")


def try_everything(engine: Engine, data: bytes) -> None:
    """Decodes, links with a host that has everything, and calls every export without arguments."""
    try:
        component = decode(data)
        host = {
            name: HostInterface({func: lambda data, *args: "" for func in kind.functions})
            for name, kind in component.imports.items()
            if isinstance(kind, InstanceType)
        }
        functions = {
            name: lambda data, *args: "" for name, kind in component.imports.items() if isinstance(kind, FuncType)
        }
        linked = link(component, engine, {"": HostInterface(functions), **host}, Limits(memory=4 << 20, time=0.02))
    except (DecodeError, LinkError):
        return
    for interface in linked.exports.values():
        for func in interface.values():
            try:
                instance = linked.instantiate(None)
            except (Trap, PoolExhausted):
                continue
            try:
                func(instance, *["" for _ in func.type.params])
            except (Trap, TypeError):
                pass
            finally:
                instance.close()
    linked.close()


GUESTS = [SMALL, *(path.read_bytes() for path in BUILT)]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_components_never_do_harm(engine_of_fuzzing: Engine, data: st.DataObject) -> None:
    guest = data.draw(st.sampled_from(GUESTS))
    mutated = bytearray(guest)
    for _ in range(data.draw(st.integers(1, 4))):
        # The component's own sections are at the end, behind the core modules.
        position = data.draw(st.integers(max(0, len(mutated) - 3000), len(mutated) - 1))
        how = data.draw(st.integers(0, 3))
        if how == 0:
            mutated[position] = data.draw(st.integers(0, 255))
        elif how == 1:
            del mutated[position : position + data.draw(st.integers(1, 8))]
        elif how == 2:
            mutated[position:position] = data.draw(st.binary(min_size=1, max_size=6))
        else:
            del mutated[position:]
        if not mutated:
            return
    try_everything(engine_of_fuzzing, bytes(mutated))


@pytest.fixture(scope="module")
def engine_of_fuzzing(engine: Engine) -> Engine:
    return engine


def refused_at(data: bytes) -> int | None:
    """Where decoding stopped, None when it did not."""
    try:
        decode(data)
    except DecodeError as error:
        return error.offset
    return None


@given(st.binary(max_size=200))
def test_random_sections_never_do_harm(tail: bytes) -> None:
    for number in range(13):
        offset = refused_at(PREAMBLE + section(number, tail))
        assert offset is None or 0 <= offset <= len(tail) + 12


def test_every_truncation_is_refused_or_whole() -> None:
    for end in range(len(SMALL)):
        offset = refused_at(SMALL[:end])
        assert offset is None or offset <= end


def test_imports_and_exports_are_resolved() -> None:
    component = decode(SMALL)
    imported = component.imports["a:b/c@0.1.0"]
    assert isinstance(imported, InstanceType)
    assert str(imported.functions["f"]) == "func(x: string) -> option<string>"
    assert isinstance(imported.types["r"], t.ResourceType)
    assert str(component.exports["go"]) == "func(s: string) -> tuple<u8, list<string>>"
    assert len(component.core_modules) == 1


def test_interfaces_of_a_wit_package() -> None:
    found = interfaces(run("component", "wit", "--wasm", str(WIT)))
    assert [name for name in found if "request@" in name] == [
        "sluice:filter/on-request@0.1.0",
        "sluice:filter/request@0.1.0",
    ]
    assert str(found["sluice:filter/request@0.1.0"].functions["headers"]) == "func() -> list<tuple<string, string>>"
    assert found["sluice:filter/log@0.1.0"].types["level"] == t.Enum(("debug", "info", "warn", "error"))

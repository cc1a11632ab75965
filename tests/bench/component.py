"""The component host alone: what an instance, a call, a host call and their values cost.

    python -m tests.bench.component

Each line is the best of rounds, in microseconds, next to what was asked of it, and what
wasmtime-py's own component API takes for the same. The guest is written by
hand and does nothing itself, so that the host is what is measured; the shipped filters follow, whole exchanges of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

from proxy.component import HostInterface, Instance, Linked, decode, interfaces, link
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits
from proxy.sluice.program import Program
from proxy.sluice.session import Session
from tests.bench.component_peer import Peer
from tests.component.guests import BUILT, WIT, component, run

GUEST = """(module
  (import "sluice:filter/request@0.1.0" "header" (func $header (param i32 i32 i32)))
  (import "sluice:filter/request@0.1.0" "headers" (func $headers (param i32)))
  (import "sluice:filter/request@0.1.0" "set-header" (func $set (param i32 i32 i32 i32)))
  (import "sluice:filter/response@0.1.0" "status" (func $status (result i32)))
  (import "sluice:filter/response@0.1.0" "set-header" (func $set-response (param i32 i32 i32 i32)))
  (memory (export "memory") 19)
  (global $heap (mut i32) (i32.const 1048576))
  (data (i32.const 1048000) "x-hello")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get 2))))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $reset (global.set $heap (i32.const 1048576)))
  (func $read (call $header (i32.const 1048000) (i32.const 7) (i32.const 1048100)))
  (func (export "sluice:filter/on-request@0.1.0#on-request") (result i32)
    (call $read) (call $read) (call $read)
    (call $set (i32.const 1048000) (i32.const 7) (i32.load (i32.const 1048104)) (i32.load (i32.const 1048108)))
    (i32.const 1048200))
  (func (export "sluice:filter/on-response@0.1.0#on-response")
    (call $reset)
    (drop (call $status))
    (call $set-response (i32.const 1048000) (i32.const 7) (i32.const 1048000) (i32.const 7)))
  (func (export "sluice:filter/on-body@0.1.0#open") (result i32) (call $reset) (call $headers (i32.const 1048100))
    (i32.const 1))
  (func (export "sluice:filter/on-body@0.1.0#push") (param i32 i32) (result i32) (call $reset)
    (i32.store (i32.const 1048100) (local.get 0)) (i32.store (i32.const 1048104) (local.get 1)) (i32.const 1048100))
  (func (export "sluice:filter/on-body@0.1.0#finish") (result i32)
    (i32.store (i32.const 1048100) (i32.const 0)) (i32.store (i32.const 1048104) (i32.const 0)) (i32.const 1048100)))"""

SMALL = GUEST.replace('"memory") 19', '"memory") 2').replace("1048576", "65536").replace("1048", "60")
"""The same with as much memory as a shipped filter has."""

READS = """(module
  (import "sluice:filter/request@0.1.0" "header" (func $header (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1000) "x-hello")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
  (func (export "sluice:filter/on-response@0.1.0#on-response")
    (local $n i32)
    (loop
      (call $header (i32.const 1000) (i32.const 7) (i32.const 1100))
      (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))))"""

PEER_IMPORTS = {
    "request": ("header", "headers", "set-header"),
    "response": ("status", "set-header"),
}
PEER_ANSWERS: dict[str, object] = {"status": 200, "header": "a value"}

HEADERS = [(f"x-header-{index}", f"value number {index} of ten") for index in range(10)]
PEER_ANSWERS["headers"] = HEADERS
ROUNDS = 60
"""Many short rounds: on a machine that does other things too, some of them are undisturbed."""

Interfaces = dict[str, HostInterface]


def hosts() -> Interfaces:
    """Every import of the filter worlds, answering as cheaply as Python can."""
    answers: dict[str, object] = {"headers": HEADERS, "status": 200, "header": "a value", "path": "/", "json": "{}"}
    found = interfaces(run("component", "wit", "--wasm", str(WIT)))

    def function(name: str) -> Callable[..., object]:
        answer = answers.get(name)
        return lambda data, *args: answer

    return {
        name: HostInterface({func: function(func) for func in kind.functions}, kind.functions)
        for name, kind in found.items()
    }


def best(action: Callable[[], object], times: int) -> float:
    """Microseconds of one `action`."""
    action()
    fastest = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(times):
            action()
        fastest = min(fastest, (time.perf_counter() - started) / times)
    return fastest * 1e6


@dataclass(frozen=True, slots=True)
class Figure:
    """Microseconds. peer: of wasmtime-py."""

    what: str
    measured: float
    asked: float | None = None
    peer: float | None = None

    def __str__(self) -> str:
        asked, peer = "" if self.asked is None else f"{self.asked:g}", "" if self.peer is None else f"{self.peer:.1f}"
        return f"{self.what:58} {self.measured:8.2f} {asked:>8} {peer:>11}".rstrip()


def export(linked: Linked, interface: str, name: str) -> Callable[..., object]:
    return linked.exports[f"sluice:filter/{interface}@0.1.0"][name]


def peers(guest: bytes, reads: bytes) -> dict[str, float]:
    """What wasmtime-py's own component API takes for the same."""
    answers = {
        f"sluice:filter/{interface}@0.1.0": {name: PEER_ANSWERS.get(name) for name in names}
        for interface, names in PEER_IMPORTS.items()
    }
    peer = Peer(guest, answers)
    reading = Peer(reads, {"sluice:filter/request@0.1.0": {"header": "a value"}}).export("on-response", "on-response")
    push = peer.export("on-body", "push")
    opened, finish = peer.export("on-body", "open"), peer.export("on-body", "finish")
    chunk = bytes(65536)
    return {
        "fresh": best(peer.instantiate, 20),
        "finish": best(finish, 50),
        "import": best(reading, 1) / 1000,
        "headers": best(opened, 20),
        "64 KiB": best(lambda: push(chunk), 1),
    }


def main() -> None:
    print(f"{'microseconds':58} {'measured':>8} {'asked':>8} {'wasmtime-py':>11}")
    for figure in chain(calls(), filtered(), shipped()):
        print(figure, flush=True)


def calls() -> Iterator[Figure]:
    """Of the guest written by hand."""
    engine = Engine()
    gc.disable()
    imports = hosts()
    guest, reader = component(GUEST, str(WIT), "filter"), component(READS, str(WIT), "response-filter")
    peer = peers(guest, reader)
    linked = link(decode(guest), engine, imports, Limits())
    reading = link(decode(reader), engine, imports, Limits(time=1))
    request = export(linked, "on-request", "on-request")
    response = export(linked, "on-response", "on-response")
    opened, push, finish = (export(linked, "on-body", name) for name in ("open", "push", "finish"))
    reads = export(reading, "on-response", "on-response")

    def fresh_exchange() -> None:
        instance = linked.instantiate(None)
        request(instance)
        response(instance)
        instance.close()

    def pooled(instance: Instance) -> None:
        request(instance)
        response(instance)

    kept, read = linked.instantiate(None), reading.instantiate(None)
    chunk, empty = bytes(65536), b""
    fresh = best(lambda: linked.instantiate(None).close(), 200)
    yield Figure("fresh instance with limits, and its end", fresh, 35, peer["fresh"])
    yield Figure("export call, no arguments, empty list back", best(lambda: finish(kept), 200), None, peer["finish"])
    yield Figure("import call, string in, option<string> out", best(lambda: reads(read), 20) / 1000, 3, peer["import"])
    headers = best(lambda: opened(kept), 200)
    yield Figure("export call in which ten headers are read as a list", headers, 15, peer["headers"])
    yield Figure("list<u8> of 64 KiB in and out", best(lambda: push(kept, chunk), 200), 60, peer["64 KiB"])
    yield Figure("list<u8> of 0 bytes in and out", best(lambda: push(kept, empty), 200))
    yield Figure("exchange, fresh: 3 reads and 1 write, then 1 and 1", best(fresh_exchange, 200), 34)
    yield Figure("exchange, instance kept", best(lambda: pooled(kept), 200), 16)
    kept.close()
    read.close()
    engine.ticker.close()
    gc.enable()


def filtered() -> Iterator[Figure]:
    """The same exchange as a filter has it: on real messages, its reads and edits kept account of."""
    engine = Engine()
    data = decode(component(SMALL, str(WIT), "filter"))
    request = Request(
        "GET", "http", "a", "/", None, Fields([(b"accept", b"*/*"), (b"x-hello", b"a value")]), Exchange()
    )
    response = Response(200, Fields([(b"server", b"o"), (b"content-type", b"text/plain")]), b"body")
    gc.disable()
    for pooled, asked in ((False, 34), (True, 16)):
        program = Program("f", data, engine, config={}, limits=Limits(time=1), pooled=pooled, memo=False)

        def exchange(program: Program = program) -> None:
            session = Session(program, request)
            session.on_request()
            session.on_response(response)
            session.close()

        yield Figure(f"the same as a filter, {'pooled' if pooled else 'fresh'}", best(exchange, 200), asked)
        program.close()
    engine.ticker.close()
    gc.enable()


def shipped() -> Iterator[Figure]:
    """Of the filters in filters/built."""
    engine, imports = Engine(), hosts()
    gc.disable()
    for path in BUILT:
        linked = link(decode(path.read_bytes()), engine, imports, Limits())
        yield Figure(f"{path.stem}: fresh instance", best(partial(begun, linked), 200))
        try:
            yield Figure(f"{path.stem}: exchange, every export once", best(partial(exchange, linked), 200))
        except Exception as error:
            print(f"{path.stem}: needs another configuration ({error})")
    engine.ticker.close()
    gc.enable()


def begun(linked: Linked) -> None:
    linked.instantiate(None).close()


def exchange(linked: Linked) -> None:
    instance = linked.instantiate(None)
    for exports in linked.exports.values():
        for func in exports.values():
            if not func.type.params:
                func(instance)
    instance.close()


if __name__ == "__main__":
    main()

"""How the cost of an exchange grows: `python -m tests.bench.growth [KIND…]`.

With filters, request header lines, routes, cached objects, and the size of a body that a filter sees: in this process,
without sockets (`inside.py`). What the size of a body costs in all is measured with sockets: `python -m tests.bench`.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import mean

from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.sandbox import Engine
from proxy.server.worker import UNCOLLECTED
from tests.bench.inside import Inside, best, get
from tests.bench.load import Load
from tests.bench.measure import measured
from tests.bench.report import rows
from tests.bench.target import Case, filter_config

BUILT = Path(__file__).parents[2] / "filters" / "built"

BATCH, ROUNDS = 100, 40

LIMITS = {"time": "5s"}
"""A busy machine must not stop a filter."""

RESPOND = {"respond": {"headers": {"content-type": "text/html"}, "body": "x" * 600}}


Lines = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Growth:
    """Microseconds of processor time, for each x of each of the named lines. log_x, log_y: axes for its range."""

    title: str
    x: str
    lines: Lines
    log_x: bool = False
    log_y: bool = False


Points = list[tuple[str, float, Callable[[], int]]]
"""Name of the line, x, and the work."""


def _grown(title: str, x: str, points: Points, *, log_x: bool = False, log_y: bool = False) -> Growth:
    lines: Lines = {}
    for (name, at, _), cost in zip(points, best([work for _, _, work in points], ROUNDS), strict=True):
        lines.setdefault(name, []).append((at, cost))
    return Growth(title, x, lines, log_x, log_y)


def _repeat(proxy: Inside, requests: list[bytes]) -> int:
    for request in requests:
        proxy(request)
    return len(requests)


def _each(proxy: Inside, batches: Iterator[list[bytes]]) -> int:
    """Others each time: one more than there are rounds."""
    return _repeat(proxy, next(batches))


def _checked(proxy: Inside, request: bytes, wanted: bytes) -> Inside:
    """It has answered with the wanted text, so it is what is meant to be measured."""
    for _ in range(2):
        answer = proxy.answer(request)
    if wanted not in answer:
        raise RuntimeError(f"not what is to be measured: {answer[:500]!r}")
    return proxy


def filters(folder: Path, engine: Engine) -> Growth:
    points: Points = []
    for name, options in (
        ("fresh", {"instance": "fresh", "memo": False}),
        ("pooled", {"instance": "pooled", "memo": False}),
        ("memo", {"instance": "fresh", "memo": True}),
    ):
        for count in (0, 1, 2, 4, 8, 16):
            numbers = range(1, count + 1)
            declared = {
                f"f{n}": {
                    "component": str(BUILT / "headers.wasm"),
                    "config": filter_config(n),
                    "limits": LIMITS,
                    **options,
                }
                for n in numbers
            }
            config = {"filters": declared, "routes": [{"chain": [*({"filter": f"f{n}"} for n in numbers), RESPOND]}]}
            wanted = f"x-filtered-{count}: 1".encode() if count else b"200"
            proxy = _checked(Inside(folder, engine, config), get("/"), wanted)
            points.append((name, count, partial(_repeat, proxy, [get("/")] * BATCH)))
    return _grown("Filters in the chain", "filters", points)


def header_lines(folder: Path, engine: Engine) -> Growth:
    random = Random(1)
    one = {"component": str(BUILT / "headers.wasm"), "config": filter_config(1), "limits": LIMITS}
    cached = [{"cache": {"name": "pages"}}, {"forward": "origin"}]
    chains = {
        "cached hit": ({}, cached),
        "hit behind a filter, memo": ({"filters": {"f": one}}, [{"filter": "f"}, *cached]),
    }
    points: Points = []
    for name, (declared, chain) in chains.items():
        proxy = Inside(folder, engine, {**declared, **_to_origin(chain)}, b"x" * 600)
        _checked(proxy, get("/"), b"pages; hit")
        for count in (0, 5, 10, 20, 40, 80):
            asked = [
                [
                    get("/", fields="".join(f"x-field-{n}: {random.randbytes(12).hex()}\r\n" for n in range(count)))
                    for _ in range(BATCH)
                ]
                for _ in range(ROUNDS + 1)
            ]
            points.append((name, count + 1, partial(_each, proxy, iter(asked))))
    return _grown("Field lines of the request", "field lines, their values new each time", points)


def routes(folder: Path, engine: Engine) -> Growth:
    kinds: dict[str, tuple[Callable[[int], dict[str, str]], Callable[[int], bytes]]] = {
        "by host": (lambda n: {"host": f"site-{n}.example"}, lambda n: get("/", f"site-{n}.example")),
        "by host with wildcard": (lambda n: {"host": f"*.site-{n}.example"}, lambda n: get("/", f"a.site-{n}.example")),
        "by path": (lambda n: {"path": f"/app-{n}/*"}, lambda n: get(f"/app-{n}/page")),
    }
    points: Points = []
    for name, (match, asked) in kinds.items():
        for count in (1, 3, 10, 30, 100, 300, 1000):
            listed = [{"match": match(n), "chain": [RESPOND]} for n in range(count)]
            last = asked(count - 1)
            proxy = _checked(Inside(folder, engine, {"routes": listed}), last, b"200")
            points.append((name, count, partial(_repeat, proxy, [last] * (BATCH // 4))))
    return _grown("Routes, the last of which matches", "routes", points, log_x=True, log_y=True)


def cached_objects(folder: Path, engine: Engine) -> Growth:
    """One store that fills up, looked at on the way: many of them would not fit into memory beside each other."""
    cache = {"name": "pages", "max_size": "64GiB"}
    config = _to_origin([{"cache": cache}, {"forward": "origin"}])
    proxy, filled = Inside(folder, engine, config, b"x" * 100), 1
    cost: list[tuple[float, float]] = []
    _checked(proxy, get("/products/0"), b"pages; hit")
    (stage,) = proxy.assembly.caches.values()
    stored = stage.store.get(_key(0))
    assert stored is not None
    (model,) = stored.entries()
    for count in (1_000, 10_000, 100_000, 1_000_000):
        gc.disable()  # else filling takes minutes
        for n in range(filled, count):
            stage.store.put(_key(n), _alike(model), stage.store.mark())
        filled = count
        gc.enable()
        asked = [get(f"/products/{n}") for n in Random(count).choices(range(count), k=10_000)]
        _checked(proxy, asked[0], b"pages; hit")
        parts = [partial(_repeat, proxy, asked[at : at + BATCH]) for at in range(0, len(asked), BATCH)]
        cost.append((count, mean(best(parts, 6))))
    return Growth("Objects in the cache", "objects, in memory", {"cached hit": cost}, log_x=True)


def _key(n: int) -> Key:
    return ("http", "shop.example", f"/products/{n}", None)


def _alike(entry: Entry) -> Entry:
    """Another that shares no memory with it."""
    lines = [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in entry.lines]
    assert isinstance(entry.body, bytes)
    return replace(entry, lines=lines, body=bytes(bytearray(entry.body)))


def filtered_bodies(folder: Path, engine: Engine) -> Growth:
    declared = {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<script src=/m.js></script>"}}
    points: Points = []
    for name, filters in (("forwarded", []), ("through html-inject", [{"filter": "f"}])):
        config = {"filters": {"f": declared}, **_to_origin([*filters, {"forward": "origin"}])}
        for kib in (1, 4, 16, 64, 256, 1024):
            page = b"<html><head></head>".ljust(kib * 1024, b"x")
            proxy = _checked(Inside(folder, engine, config, page), get("/"), b"m.js" if filters else b"xxx")
            points.append((name, kib, partial(_repeat, proxy, [get("/")] * 10)))
    return _grown("Bodies that a filter sees", "KiB of body", points, log_x=True)


def _to_origin(chain: Sequence[object]) -> dict[str, object]:
    return {"upstreams": {"origin": {"endpoints": ["http://127.0.0.1:9"]}}, "routes": [{"chain": chain}]}


def bodies() -> Growth:
    """With sockets, beside nginx and Envoy."""
    shown = [(case, server) for case in (Case.HIT, Case.PASS) for server in ("sluice", "nginx")]
    shown.append((Case.PASS, "envoy"))
    lines: Lines = {f"{server}, {case.value}": [] for case, server in shown}
    loads = [Load(f"{kib} KiB", size=kib * 1024) for kib in (1, 4, 16, 64, 256, 1024)]
    cores = sorted(os.sched_getaffinity(0))
    for load, samples in measured(loads, lambda case, server: (case, server) in shown, cores, rounds=3, seconds=1):
        for row in rows(samples):
            lines[f"{row.server}, {row.case}"].append((load.size / 1024, row.cpu))
    return Growth("Bodies, with sockets", "KiB of body", lines, log_x=True, log_y=True)


INSIDE: dict[str, Callable[[Path, Engine], Growth]] = {
    "filters": filters,
    "headers": header_lines,
    "routes": routes,
    "filtered-bodies": filtered_bodies,
    "cached-objects": cached_objects,
}

KINDS = (*INSIDE, "bodies")


def growth(kind: str) -> Growth:
    if kind == "bodies":
        return bodies()
    gc.set_threshold(UNCOLLECTED)  # as in a worker
    with Engine() as engine, tempfile.TemporaryDirectory() as folder:
        return INSIDE[kind](Path(folder), engine)


def table(growth: Growth) -> Iterator[str]:
    places = sorted({x for line in growth.lines.values() for x, _ in line})
    width = max(len(growth.x), *(len(name) for name in growth.lines))
    yield f"{growth.x:{width}}" + "".join(f"{x:11,.0f}" for x in places)
    for name, line in growth.lines.items():
        found = dict(line)
        yield f"{name:{width}}" + "".join(f"{found[x]:11,.1f}" if x in found else " " * 11 for x in places)


def main(kinds: Iterable[str]) -> None:
    for kind in kinds:
        found = growth(kind)
        print(f"\n{found.title}: µs of processor time for an exchange")
        print("\n".join(table(found)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or KINDS)

"""What an exchange through one filter costs, with its calls answered in Wasm where they can be, and by the host alone.

    python -m tests.bench.lens

Microseconds of one exchange in this process, without what is around the filter: the best of many rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from proxy.component import Component, decode
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits
from proxy.sluice.program import Program
from proxy.sluice.session import Session
from tests.component.guests import ROOT
from tests.sluice.scripted import Call, guest, script

ROUNDS, TIMES = 200, 100

HEADERS = {"request": {"set": {"x-bench": "1"}}, "response": {"set": {"x-filtered": "1"}}}
LINES = [(f"x-{number}".encode(), b"a value") for number in range(10)]


def exchange(program: Program, request: Request, response: Response) -> None:
    session = Session(program, request)
    session.on_request()
    session.on_response(response)
    session.close()


def best(action: Callable[[], object]) -> float:
    fastest = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(TIMES):
            action()
        fastest = min(fastest, (time.process_time() - started) / TIMES)
    return fastest * 1e6


def cases() -> list[tuple[str, Component, dict[str, Any]]]:
    headers = decode((ROOT / "filters/built/headers.wasm").read_bytes())
    scripted = decode(guest())
    reads = [Call("request.header", f"x-{number}") for number in range(10)]
    writes = [Call("request.set-header", f"x-{number}", "new") for number in range(10)]
    return [
        ("filters/headers, a field each way", headers, HEADERS),
        ("nothing", scripted, {"down": script([]), "up": script([])}),
        ("ten reads", scripted, {"down": script(reads), "up": script([])}),
        ("ten writes", scripted, {"down": script(writes), "up": script([])}),
    ]


def main() -> None:
    engine = Engine()
    print(f"{'':36} {'pooled':>14} {'fresh':>14}\n{'':36} {'host':>7}{'Wasm':>7} {'host':>7}{'Wasm':>7}")
    request = Request("GET", "http", "a", "/", None, Fields([(b"accept", b"*/*"), *LINES]), Exchange())
    response = Response(200, Fields([(b"server", b"o"), (b"content-type", b"text/plain")]), b"body")
    for name, component, config in cases():
        figures = []
        for pooled in (True, False):
            for lens in (False, True):
                made = Program(
                    "f", component, engine, config=config, limits=Limits(), pooled=pooled, memo=False, lens=lens
                )
                figures.append(best(lambda made=made: exchange(made, request, response)))  # type: ignore[misc]
                made.close()
        print(f"{name:36} {figures[0]:7.1f}{figures[1]:7.1f} {figures[2]:7.1f}{figures[3]:7.1f}", flush=True)
    engine.ticker.close()


if __name__ == "__main__":
    main()

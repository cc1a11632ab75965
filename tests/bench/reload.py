"""How soon a changed filter is live under `sluice run --watch`: `python -m tests.bench.reload [SAVES]`.

Two small components are saved in turn over one file, none of which the proxy has seen or has machine code of: it checks
and compiles each. A client asks over one connection until the response is the new component's. Prints milliseconds from
the end of the save to that response.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from tests.server.process import Process, config, respond, running

BUILT = Path(__file__).parents[2] / "filters/built"
COMPONENTS = ("html-inject.wasm", "security-headers.wasm")
PATIENCE = 10.0
"""Seconds until a save is live, at most."""

CORE_MODULE = 1
"""The section of a component (Binary.md of the Component Model)."""

PAUSE = 0.1
"""Seconds between two saves, for nothing of the one before to be under way."""


def main(saves: int = 20) -> None:
    with tempfile.TemporaryDirectory() as name:
        component, code = Path(name) / "filter.wasm", Path(name) / "sluicegate"
        component.write_bytes(_variant(0))
        path = config(Path(name), [{"filter": "f"}, *respond("ok")], filters={"f": {"component": "filter.wasm"}})
        with running(path, "--watch", environment={**os.environ, "XDG_CACHE_HOME": name}) as proxy:
            times = sorted(_saves(proxy, component, code, saves))
    sizes = " and ".join(str((BUILT / each).stat().st_size) for each in COMPONENTS)
    print(
        f"{saves} saves of components of {sizes} bytes: live after {median(times):.0f} ms at the median, "
        f"{times[0]:.0f} to {times[-1]:.0f} ms"
    )


def _saves(proxy: Process, component: Path, code: Path, saves: int) -> Iterator[float]:
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
    for number in range(1, saves + 1):
        time.sleep(PAUSE)
        for each in code.iterdir():
            each.unlink()
        component.write_bytes(_variant(number))
        saved = time.perf_counter()
        while _is_secured(connection) != bool(number % 2):
            if time.perf_counter() - saved > PATIENCE:
                raise TimeoutError("the save has not become live")
            time.sleep(0.001)  # to be somebody who asks, and not a load
        yield (time.perf_counter() - saved) * 1000
        if not any(each.stat().st_size > 4096 for each in code.iterdir()):
            raise AssertionError("nothing was compiled")


def _variant(number: int) -> bytes:
    """One of the components, its core modules with a custom section that no others have: machine code goes by them."""
    component = (BUILT / COMPONENTS[number % 2]).read_bytes()
    mark = b"\x06number" + number.to_bytes(4, "big")
    made, at = component[:8], 8
    while at < len(component):
        kind, (size, start) = component[at], _number(component, at + 1)
        content = component[start : start + size]
        if kind == CORE_MODULE:
            content += bytes([0, len(mark)]) + mark
        made += bytes([kind]) + _leb128(len(content)) + content
        at = start + size
    return made


def _number(data: bytes, at: int) -> tuple[int, int]:
    """LEB128, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def _leb128(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _is_secured(connection: HTTPConnection) -> bool:
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    return response.headers["strict-transport-security"] is not None


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

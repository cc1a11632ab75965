"""Components that break the canonical ABI: garbage.wat with its parts filled in, as binary."""

from __future__ import annotations

import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

TEMPLATE = (Path(__file__).parent / "garbage.wat").read_text()
WASM_TOOLS = Path(sys.executable).with_name("wasm-tools")

DATA = 1024
"""Where `data` is in memory; by default the result of on-request."""

SOUND = {
    "memory": "1",
    "realloc": "(i32.const 4096)",
    "data": b"",
    "start": "",
    "on-request": f"(i32.const {DATA})",
    "post-return": "",
}


def component(**parts: str | bytes) -> bytes:
    """The filter with these parts and otherwise sound ones; underscores for the dashes of their names."""
    filled = SOUND | {name.replace("_", "-"): part for name, part in parts.items()}
    text = TEMPLATE
    for name, part in filled.items():
        text = text.replace(f"@{name}@", part if isinstance(part, str) else "".join(f"\\{byte:02x}" for byte in part))
    return assembled(text)


@cache
def assembled(text: str) -> bytes:
    command = [str(WASM_TOOLS), "parse", "-"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout


def reply(
    *,
    case: int = 1,
    status: int = 200,
    headers: tuple[int, int] = (0, 0),
    body: tuple[int, int] = (0, 0),
    rest: bytes = b"",
) -> bytes:
    """A `verdict` as it lies in memory: its case, then the record, with (address, length) of its lists. `rest` comes
    after it, at REST."""
    return struct.pack("<B3xH2xIIII", case, status, *headers, *body) + rest


REST = DATA + len(reply())


def line(name: tuple[int, int], value: tuple[int, int]) -> bytes:
    """A field line as it lies in memory."""
    return struct.pack("<IIII", *name, *value)

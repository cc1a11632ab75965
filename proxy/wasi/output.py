"""What a guest prints, cut into lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Output = Callable[[Any, str, str], None]
"""Called with the instance's data, "stdout" or "stderr", and a line without its end."""

MAX_LINE = 8192
"""Bytes after which a line is cut."""


class Lines:
    """Collects bytes into lines of UTF-8; what is not becomes U+FFFD."""

    def __init__(self, name: str, output: Output) -> None:
        self._name = name
        self._output = output
        self._rest = b""

    def write(self, data: Any, content: bytes) -> None:
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._put(data, line)
        while len(self._rest) >= MAX_LINE:
            self._put(data, self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]

    def flush(self, data: Any) -> None:
        """Puts out a line that was not ended."""
        if self._rest:
            self._put(data, self._rest)
            self._rest = b""

    def _put(self, data: Any, line: bytes) -> None:
        self._output(data, self._name, line.rstrip(b"\r").decode(errors="replace"))

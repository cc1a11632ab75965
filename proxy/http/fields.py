"""Field lines of a message (RFC 9110 §5), as bytes, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

Line = tuple[bytes, bytes]

Change = Callable[[list[Line]], list[Line]]
"""Makes other lines of lines, which it leaves as they are."""


class Fields:
    """Field lines in the order they came. Names are lower case, values are the exact bytes received.

    A request or response that was passed on is a value: whoever wants to change its fields changes a `copy()`.
    """

    __slots__ = ("lines",)

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines: list[Line] = list(lines)

    def get(self, name: bytes) -> bytes | None:
        """The lines of that lower-case name combined (RFC 9110 §5.3), or None when there is none."""
        found: bytes | None = None
        for n, v in self.lines:
            if n == name:
                if found is not None:
                    return b", ".join(self.all(name))
                found = v
        return found

    def all(self, name: bytes) -> list[bytes]:
        """The value of each line of that lower-case name."""
        return [v for n, v in self.lines if n == name]

    def set(self, name: bytes, value: bytes) -> None:
        """One line of that name: in the place of the first there was, or last."""
        for i, (n, _) in enumerate(self.lines):
            if n == name:
                rest = [line for line in self.lines[i + 1 :] if line[0] != name]
                self.lines[i:] = [(name, value), *rest]
                return
        self.lines.append((name, value))

    def append(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def remove(self, name: bytes) -> None:
        self.lines = [line for line in self.lines if line[0] != name]

    def copy(self) -> Fields:
        return Fields(self.lines)

    def __contains__(self, name: bytes) -> bool:
        for n, _ in self.lines:  # noqa: SIM110  # half the time of any()
            if n == name:
                return True
        return False

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.lines == other.lines

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Fields({self.lines!r})"


class FixedLines:
    """Field lines that stay as they are, as those of a stored response do: what is made of them is worked out once.

    http1: as bytes of HTTP/1.1, None when they were not sent so yet. dated: there is a `date` among them.
    """

    __slots__ = ("_change", "_changed", "dated", "http1", "lines")

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.http1: bytes | None = None
        self.dated = any(name == b"date" for name, _ in lines)
        self._change: Change | None = None
        self._changed: FixedLines | None = None

    def after(self, change: Change) -> FixedLines:
        """These lines after a change, which is a function of nothing else. One is kept: answers that begin with the
        same lines mostly go through the same stages."""
        changed = self._changed
        if changed is None or self._change is not change:
            self._change, changed = change, FixedLines(change(self.lines))
            self._changed = changed
        return changed

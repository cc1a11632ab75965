"""Field lines of a message (RFC 9110 §5), as bytes, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final

from proxy.http.known import Known

Line = tuple[bytes, bytes]

Change = Callable[[list[Line]], list[Line]]
"""Makes other lines of lines, which it leaves as they are."""


_NAME: Final = itemgetter(0)


class Fields:
    """Field lines in the order they came. Names are lower case, values are the exact bytes received.

    A request or response that was passed on is a value: whoever wants to change its fields changes a `copy()`.
    lines: the list is never changed in place, only replaced by another, so that copies and FixedLines share it.
    fixed: lines that these most likely begin with, which saves work if they do, above all where they are just these.
    inner: likewise, lines that these most likely have in front of their last one.
    """

    __slots__ = ("fixed", "inner", "lines")

    def __init__(self, lines: Iterable[Line] | FixedLines | Fields = ()) -> None:
        if isinstance(lines, FixedLines):
            self.lines: list[Line] = lines.lines
            self.fixed: FixedLines | None = lines
            self.inner: FixedLines | None = None
        elif isinstance(lines, Fields):
            self.lines, self.fixed, self.inner = lines.lines, lines.fixed, lines.inner
        else:
            self.lines = list(lines)
            self.fixed = self.inner = None

    def get(self, name: bytes) -> bytes | None:
        """The lines of that lower-case name combined (RFC 9110 §5.3), or None when there is none."""
        fixed = self.fixed
        if fixed is not None and fixed.lines is self.lines and name not in fixed.names:
            return None
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
        self.lines = replaced(self.lines, (name, value))

    def append(self, name: bytes, value: bytes) -> None:
        self.lines = appended(self.lines, (name, value))

    def remove(self, name: bytes) -> None:
        self.lines = removed(self.lines, name)

    def copy(self) -> Fields:
        return Fields(self)

    def after(self, change: Change) -> Fields | None:
        """These fields after a change that is worked out once for lines that stay; None when they are no such lines."""
        fixed = self.fixed
        return Fields(fixed.after(change)) if fixed is not None and fixed.lines is self.lines else None

    def lacks(self, names: frozenset[bytes]) -> bool:
        """There is no line of any of these lower-case names."""
        fixed = self.fixed
        if fixed is not None and fixed.lines is self.lines:
            return names.isdisjoint(fixed.names)
        return names.isdisjoint(map(_NAME, self.lines))

    def __contains__(self, name: bytes) -> bool:
        fixed = self.fixed
        if fixed is not None and fixed.lines is self.lines:
            return name in fixed.names
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


def replaced(lines: list[Line], line: Line) -> list[Line]:
    """With one line of that name: in the place of the first there was, or last."""
    name = line[0]
    for i, each in enumerate(lines):
        if each[0] == name:
            return [*lines[:i], line, *removed(lines[i + 1 :], name)]
    return appended(lines, line)


def appended(lines: list[Line], line: Line) -> list[Line]:
    """With another line, the last."""
    return [*lines, line]


def removed(lines: list[Line], name: bytes) -> list[Line]:
    """Without those of that name."""
    return [line for line in lines if line[0] != name]


class FixedLines:
    """Field lines that stay as they are, as those of a stored response do, or those that a client says again and again:
    what is made of them is worked out once.

    names: of all lines. dated: there is a `date` among them. http1: as bytes of HTTP/1.1, each behind a line break,
    without what is about one hop; None when they were not sent so yet. first_hop: what `is_first_hop` (hop_by_hop)
    says of them; None when it was not asked yet.
    """

    __slots__ = ("_change", "_changed", "dated", "first_hop", "http1", "lines", "names")

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.names = _names(lines)
        self.dated = b"date" in self.names
        self.http1: bytes | None = None
        self.first_hop: bool | None = None
        self._change: Change | None = None
        self._changed: FixedLines | None = None

    def after(self, change: Change) -> FixedLines:
        """These lines after a change, which is a function of nothing else. One is kept: messages that begin with the
        same lines mostly go through the same stages."""
        changed = self._changed
        if changed is None or self._change is not change:
            self._change, changed = change, FixedLines(change(self.lines))
            self._changed = changed
        return changed


_ORDERS: Final[Known[tuple[bytes, ...], frozenset[bytes]]] = Known(256)
"""Messages differ in their values; their names come in few different orders."""

_LONGEST_ORDER: Final = 1024
"""Bytes of one that is kept."""


def _names(lines: list[Line]) -> frozenset[bytes]:
    order = tuple(map(_NAME, lines))
    names = _ORDERS.get(order)
    if names is None:
        names = frozenset(order)
        if sum(map(len, order)) <= _LONGEST_ORDER:
            _ORDERS.keep(order, names)
    return names

"""Python source being written: lines, fresh names, and constants that the source refers to by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Any

Leaf = tuple[int, str, str]
"""A scalar in memory: byte offset, struct format, and the variable or expression that holds it."""

FORMAT_SIZES = {
    "b": 1,
    "B": 1,
    "h": 2,
    "H": 2,
    "i": 4,
    "I": 4,
    "f": 4,
    "q": 8,
    "Q": 8,
    "d": 8,
    "I4x": 8,
    "i4x": 8,
    "f4x": 8,
}


class Code:
    """No text from a component ever becomes source: names are made here, labels stand as literals (`repr`)."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self.constants = constants
        self.lines: list[str] = []
        self.indent = 0
        self._next = 0
        self._structs: dict[str, str] = {}

    def line(self, text: str) -> None:
        self.lines.append(" " * self.indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self.indent += 1
        yield
        self.indent -= 1

    def name(self) -> str:
        self._next += 1
        return f"x{self._next}"

    def bind(self, expression: str) -> str:
        """A variable that holds the expression's value."""
        name = self.name()
        self.line(f"{name} = {expression}")
        return name

    def constant(self, value: Any) -> str:
        name = f"C{len(self.constants)}"
        self.constants[name] = value
        return name

    def struct(self, leaves: Iterable[Leaf], total: int = 0) -> tuple[int, str, int]:
        """The first offset, the constant Struct of these leaves from there on, padded to `total`, and its size."""
        ordered = list(leaves)
        first = ordered[0][0] if not total else 0
        text, position = "<", first
        for offset, kind, _ in ordered:
            text += f"{offset - position}x" * (offset > position) + kind
            position = offset + FORMAT_SIZES[kind]
        if total > position:
            text += f"{total - position}x"
        if text not in self._structs:
            self._structs[text] = self.constant(Struct(text))
        return first, self._structs[text], max(position, total) - first

    def function(self, name: str, outlined: Iterable[Code] = ()) -> Any:
        """Compiles what was written, here and in `outlined`, and returns the function of this name."""
        space = dict(self.constants)
        lines = [line for part in (*outlined, self) for line in part.lines]
        exec(compile("\n".join(lines), "<canonical ABI>", "exec"), space)
        return space[name]


def at(base: str, offset: int) -> str:
    return f"{base} + {offset}" if offset else base

"""What was worked out before, and is likely to be asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Known(dict[K, V]):
    """At most `most` things. Then all are forgotten, but for those that are `always` known: most were asked for once,
    and the others are soon known again."""

    def __init__(self, most: int, always: Mapping[K, V] | None = None) -> None:
        super().__init__(always or {})
        self._most = most
        self._always = always

    def keep(self, key: K, value: V) -> None:
        if len(self) >= self._most:
            self.clear()
            self.update(self._always or {})
        self[key] = value

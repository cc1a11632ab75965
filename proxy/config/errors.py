"""What is wrong with a configuration file, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Where a value is in the file: keys and list indices from the top."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Finding(NamedTuple):
    """What is wrong with the value at this path; or, if `key`, with its key."""

    path: Path
    message: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One mistake. line and column count from 1; path is "" where it is about the file as a whole."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return printable(f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}")


def printable(text: str) -> str:
    """On one line, and harmless to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ConfigErrors(Exception):
    """Every mistake of a file, in its order; as text, one to a line."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(set(errors), key=lambda e: (e.line, e.column, e.path, e.message)))
        super().__init__("\n".join(map(str, self.errors)))


def show_path(path: Path) -> str:
    """routes[0].chain[1].cache.ttl, with a key that is not a plain word in quotes."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            shown += f".{step}" if shown else step
        else:
            shown += f"[{quoted(step)}]"
    return shown


def quoted(text: str) -> str:
    """Text from the file as part of a message."""
    return json.dumps(text if len(text) <= 200 else f"{text[:197]}...", ensure_ascii=False)


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """What to add to a message about a word that is not among the known ones."""
    names = {name.lower().replace("-", "_"): name for name in known}
    close = get_close_matches(written[:64].lower().replace("-", "_"), names, n=1)
    return f"; did you mean {names[close[0]]}?" if close else ""

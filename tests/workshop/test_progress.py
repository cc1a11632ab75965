from __future__ import annotations

import io
import re
import sys
from threading import Event

import pytest

from proxy.workshop import progress as module
from proxy.workshop.progress import progress
from tests.patience import PATIENCE


class Screen(io.StringIO):
    """Tells when so many writes have come."""

    def __init__(self, writes: int, terminal: bool) -> None:
        super().__init__()
        self.enough = Event()
        self._left, self._terminal = writes, terminal

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.enough.set()


def shown(monkeypatch: pytest.MonkeyPatch, writes: int, terminal: bool) -> str:
    screen = Screen(writes, terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(module, "PATIENCE", 0.001)
    with progress("compiling"):
        assert screen.enough.wait(PATIENCE)
    return screen.getvalue()


def test_a_terminal_sees_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 3, terminal=True)
    assert re.match(r"compiling …\rcompiling … \d+ s\rcompiling … \d+ s", text)
    assert re.search(r"\rcompiling: \d+\.\d s\n$", text)


def test_a_file_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, 1, terminal=False) == "compiling …\n"


def test_what_is_quick_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(1, terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("compiling"):
        pass
    assert screen.getvalue() == ""

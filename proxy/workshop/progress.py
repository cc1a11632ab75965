"""Says what takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE = 1.0
"""Seconds before anything is said."""


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Says on standard error what is being done when it takes longer than a second; at a terminal, with the seconds
    counted."""
    over = Event()
    teller = Thread(target=_tell, args=(doing, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(doing: str, over: Event) -> None:
    began = time.monotonic()
    if over.wait(PATIENCE):
        return
    terminal = sys.stderr.isatty()
    print(f"{doing} …", end="" if terminal else "\n", file=sys.stderr, flush=True)
    while not over.wait(PATIENCE):
        if terminal:
            print(f"\r{doing} … {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
    if terminal:
        print(f"\r{doing}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

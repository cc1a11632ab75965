"""Secrets that session tickets are sealed with, by time."""

from __future__ import annotations

import hashlib

PERIOD = 12 * 3600.0
"""Seconds in which tickets are sealed with one key; for as many more they are opened with it."""

LENGTH = 80
"""Bytes of a key: its name, by which a ticket says what it is sealed with, and two for ciphers."""


class TicketKeys:
    """The same in all processes that have had the secret by the same time.

    Each secret follows from the one before, but not the other way, and only two are kept: who reads this process's
    memory can open no tickets, and so no recorded sessions of TLS 1.2, that are older than two periods.
    """

    def __init__(self, secret: bytes, now: float) -> None:
        """now: seconds by a clock that all those processes share."""
        self._began = now
        self._period = 0
        self._secrets = [secret]
        self._keys: dict[bytes, tuple[bytes, ...]] = {}

    def of(self, scope: bytes, now: float) -> tuple[bytes, ...]:
        """What is sealed with now, and what was in the period before, if there was one."""
        self.advance(now)
        found = self._keys.get(scope)
        if found is None:
            found = self._keys[scope] = tuple(_derived(secret, b"key" + scope, LENGTH) for secret in self._secrets)
        return found

    def advance(self, now: float) -> float:
        """Forget what is too old by now. Returns the seconds until there is something to forget again."""
        period = int((now - self._began) // PERIOD)
        while self._period < period:
            self._period += 1
            self._secrets = [_derived(self._secrets[0], b"next", 32), self._secrets[0]]
            self._keys.clear()
        return self._began + (self._period + 1) * PERIOD - now


def _derived(secret: bytes, what: bytes, length: int) -> bytes:
    return hashlib.shake_256(secret + what).digest(length)

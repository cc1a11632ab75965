"""Machine code on disk, by module digest.

A file is a header, the digest of what follows, and the code as wasmtime serialises it. wasmtime does not defend itself
against forged code, so the directory is the owner's alone, and anything that does not match its digest is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

HEADER = b"sluice machine code 1\n"


class CodeCache:
    """`configuration` names everything besides the module that shapes the code: engine version and settings."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self._directory = directory
        self._configuration = configuration
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _path(self, digest: str) -> Path:
        key = hashlib.sha256(f"{digest} {self._configuration}".encode()).hexdigest()
        return self._directory / f"{key}.code"

    def load(self, digest: str) -> bytes | None:
        try:
            stored = self._path(digest).read_bytes()
        except OSError:
            return None
        start = len(HEADER) + 32
        if not stored.startswith(HEADER) or hashlib.sha256(stored[start:]).digest() != stored[len(HEADER) : start]:
            return None
        return stored[start:]

    def store(self, digest: str, code: bytes) -> None:
        """Writes atomically. A cache that cannot be written (full disk, read-only) only costs time later."""
        with contextlib.suppress(OSError):
            descriptor, name = tempfile.mkstemp(dir=self._directory, suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(HEADER + hashlib.sha256(code).digest() + code)
                os.replace(name, self._path(digest))
            except OSError:
                os.unlink(name)
                raise

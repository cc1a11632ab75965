"""Python: componentize-py."""

from __future__ import annotations

from proxy.workshop.toolchains import python
from toolchains.pinned import Pinned
from toolchains.versions import first_line


def versions() -> list[str]:
    return [first_line(python.componentize_py(), "--version")]


LANGUAGE = Pinned(python.LANGUAGE.mark, python.build, versions, reproducible=False)
"""The snapshot has a random seed for hashes in it, and what is ordered by them."""

"""AssemblyScript: asc, in the version that the lock file says."""

from __future__ import annotations

from proxy.workshop.toolchains import assemblyscript
from toolchains.pinned import Pinned
from toolchains.versions import wasm_tools_version

SHARES = ("../package.json", "../package-lock.json")


def versions() -> list[str]:
    return [wasm_tools_version()]


LANGUAGE = Pinned(assemblyscript.LANGUAGE.mark, assemblyscript.build, versions, SHARES)

"""JavaScript: componentize-qjs, in the version that the lock file says."""

from __future__ import annotations

from proxy.workshop.toolchains import javascript
from toolchains.assemblyscript import SHARES
from toolchains.pinned import Pinned

LANGUAGE = Pinned(javascript.LANGUAGE.mark, javascript.build, list, SHARES, reproducible=False)
"""The snapshot has random numbers in it."""

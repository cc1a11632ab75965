"""Purging the caches of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from proxy.cache.purge import BadPurge, Purge
from proxy.config.errors import did_you_mean
from proxy.stages.cache import Cache


async def carry_out(purge: Purge, caches: Iterable[Cache]) -> list[str]:
    """Purge those of the caches that it covers, and tell their names.

    In memory it is done before this is first suspended. When it returns, what is on disk is purged too, for good:
    nothing that was asked for before is stored or used after. A purge is one value, which serialises to JSON
    (`Purge.to_json`, `proxy.cache.purge.from_json`): several processes carry it out by calling this in each, and it is
    answered when all have. Doing it twice does no harm.

    Raises BadPurge where it names a cache that there is not, and then nothing is purged; OSError when a disk cannot
    keep it in mind. Then it counts in this process all the same, but may not after a restart.
    """
    all_caches = list(caches)
    names = {cache.name for cache in all_caches}
    for name in purge.caches:
        if name not in names:
            hint = did_you_mean(name, names) or f"; there {'are ' + ', '.join(sorted(names)) if names else 'is none'}"
            raise BadPurge(f"there is no cache {name!r}{hint}")
    covered = [cache for cache in all_caches if purge.covers(cache.name)]
    under_way = [done for cache in covered if (done := cache.purge(purge)) is not None]
    failures = await asyncio.gather(*map(asyncio.wrap_future, under_way), return_exceptions=True)
    for failure in failures:
        if isinstance(failure, BaseException):
            raise failure
    return sorted({cache.name for cache in covered})

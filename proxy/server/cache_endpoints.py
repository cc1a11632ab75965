"""Endpoints of the admin listener about caches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict

from proxy import errors
from proxy.admin import Endpoint, respond_json
from proxy.cache.purge import BadPurge, Purge, from_json
from proxy.errors import ProxyError
from proxy.exchange import Request, Response, collect

LARGEST_PURGE = 1 << 20
"""Bytes of JSON."""


def cache_endpoints(
    caches: Callable[[], Awaitable[object]], purge: Callable[[Purge], Awaitable[Sequence[str]]]
) -> Mapping[str, Endpoint]:
    """caches: what there is in them, JSON-like. purge: carries it out everywhere, and tells the names of the caches;
    raises BadPurge, or OSError when it cannot be kept in mind."""

    async def show(_: Request) -> Response:
        return respond_json(200, await caches())

    async def carry_out(request: Request) -> Response:
        try:
            wanted = from_json(await collect(request.body, LARGEST_PURGE))
            names = await purge(wanted)
        except BadPurge as error:
            return respond_json(400, {"error": str(error)})
        except ProxyError as error:
            status = 413 if error.failure is errors.HTTP_RESPONSE_BODY_SIZE else error.status
            return respond_json(status, {"error": error.detail})
        except OSError as error:
            return respond_json(500, {"error": f"purged, but not for after a restart: {error}"})
        what = {name: value for name, value in asdict(wanted).items() if value and name not in ("caches", "soft")}
        return respond_json(200, {"purged": what, "soft": wanted.soft, "caches": list(names)})

    return {
        "/caches": Endpoint("what is in the caches: hottest, largest, most often missed", show),
        "/purge": Endpoint("POST urls, tags, prefixes or all, soft, caches as JSON to purge", carry_out, ("POST",)),
    }

"""A purge: what an operator takes away from caches, as one value that can be sent from process to process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from urllib.parse import urlsplit
from uuid import uuid4

from proxy.cache.key import Key
from proxy.cache.purged import EVERYTHING, Selector
from proxy.http.path import canonical
from proxy.http.syntax import is_authority, is_path, is_query

MAX_LENGTH = 16 * 1024
"""Characters of a URL, a tag or a prefix."""


_PORT = re.compile(r":[0-9]+$")


class BadPurge(ValueError):
    """It cannot be understood. The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to go, from the caches named, or from all.

    urls: absolute; every variant of each, as it would be found in that cache. tags: surrogate keys. prefixes: how
    absolute URLs begin, from the host's "/" on. all: everything. soft: it does not go but becomes stale, and is
    validated, or used where stale responses may be. id: the same wherever the purge is carried out, so that it can be
    sent to several processes that share a disk.

    Serialises to JSON as `to_json` and `from_json` do; `Cache.purge` of each cache carries it out, and
    `proxy.server.purge.carry_out` on all caches of an assembly.
    """

    urls: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    all: bool = False
    soft: bool = False
    caches: tuple[str, ...] = ()
    id: str = ""

    def __post_init__(self) -> None:
        if not (self.urls or self.tags or self.prefixes or self.all):
            raise BadPurge("nothing to purge: give urls, tags, prefixes, or all")
        if not self.id:
            object.__setattr__(self, "id", uuid4().hex)
        if any(not tag or len(tag) > MAX_LENGTH for tag in self.tags):
            raise BadPurge(f"a tag has 1 to {MAX_LENGTH} characters")
        list(self.targets())
        list(self.beginnings())

    def targets(self) -> Iterator[Key]:
        """Of the URLs, spelled as requests for them are."""
        for url in self.urls:
            scheme, authorities, path, query = _split(url)
            for authority in authorities:
                yield (scheme, authority, canonical(path or "/"), query)

    def beginnings(self) -> Iterator[str]:
        """The prefixes, spelled likewise."""
        for prefix in self.prefixes:
            scheme, authorities, path, query = _split(prefix)
            if not path:
                raise BadPurge(f"{prefix!r} would also begin other hosts: end it with a /")
            # The last segment may be the beginning of one, so only what is before it is brought into form.
            folder, slash, rest = path.rpartition("/")
            tail = f"{canonical(folder + slash)}{rest}" + ("" if query is None else f"?{query}")
            yield from (f"{scheme}://{authority}{tail}" for authority in authorities)

    def selectors(self, stored_under: Callable[[Key], Iterable[Key]]) -> list[Selector]:
        """For a store in which what answers a request with a key is under these."""
        found: list[Selector] = [EVERYTHING] if self.all else []
        found += [("tag", tag) for tag in self.tags]
        found += [("prefix", beginning) for beginning in self.beginnings()]
        return found + [("url", stored) for key in self.targets() for stored in stored_under(key)]

    def covers(self, cache: str) -> bool:
        return not self.caches or cache in self.caches

    def by_cache(self) -> Iterator[Purge]:
        """The same for one cache after the other, where it names some."""
        if not self.caches:
            yield self
        for name in self.caches:
            yield replace(self, caches=(name,))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def from_json(text: str | bytes) -> Purge:
    """Raises BadPurge."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPurge(f"this is no JSON: {error}") from None
    if not isinstance(told, Mapping):
        raise BadPurge('a purge is an object such as {"tags": ["news"]}')
    known = {field.name: field for field in fields(Purge)}
    values: dict[str, object] = {}
    for name, value in told.items():
        if name not in known:
            raise BadPurge(f"there is no {name!r}; there are {', '.join(known)}")
        default = known[name].default
        if isinstance(default, tuple):
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise BadPurge(f"{name} is a list of texts")
            values[name] = tuple(value)
        elif type(value) is not type(default):
            raise BadPurge(f"{name} is {'true or false' if isinstance(default, bool) else 'text'}")
        else:
            values[name] = value
    return Purge(**values)  # type: ignore[arg-type]  # as just checked


def _split(url: str) -> tuple[str, tuple[str, ...], str, str | None]:
    """Scheme, the ways to write the host (clients may send the default port or not), path, query."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadPurge(f"{url!r} is not a URL: {error}") from None
    authority = parts.netloc.lower()
    query = parts.query if "?" in url else None
    if parts.scheme not in ("http", "https") or not is_authority(authority) or len(url) > MAX_LENGTH:
        raise BadPurge(f"{url!r} is not a URL such as https://shop.example/path")
    if (parts.path and not is_path(parts.path)) or (query is not None and not is_query(query)) or parts.fragment:
        raise BadPurge(f"{url!r} has what no request line can have")
    default = ":80" if parts.scheme == "http" else ":443"
    host = authority.removesuffix(default)
    bare = not _PORT.search(host)
    return parts.scheme, (host, host + default) if bare else (host,), parts.path, query

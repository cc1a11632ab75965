"""Which parameters of a query matter: as somebody says who knows, or as a response says in No-Vary-Search
(draft-ietf-httpbis-no-vary-search)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

from proxy.http.fields import Fields
from proxy.http.structured import dictionary


@dataclass(frozen=True, slots=True)
class Names:
    """Names of parameters, decoded: these, and those that begin with one of the prefixes."""

    exact: frozenset[str]
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Names:
        """ "utm_*" is a prefix, all else a name."""
        given = list(patterns)
        prefixes = tuple(each[:-1] for each in given if each.endswith("*"))
        return cls(frozenset(each for each in given if not each.endswith("*")), prefixes)

    def __contains__(self, name: str) -> bool:
        return name in self.exact or name.startswith(self.prefixes)


NONE = Names(frozenset())


@dataclass(frozen=True, slots=True)
class QueryRule:
    """ignore: what does not matter. only: nothing else does; None for everything. sort: the order of parameters with
    different names does not."""

    ignore: Names = NONE
    only: Names | None = None
    sort: bool = False

    def canonical(self, query: str) -> str | None:
        """The one query that all that mean the same are made into; None for none."""
        kept = [(name, pair) for pair in query.split("&") if self._matters(name := _name(pair))]
        if self.sort:
            kept.sort(key=lambda each: each[0])
        return "&".join([pair for _, pair in kept]) if kept else None

    def _matters(self, name: str) -> bool:
        return name not in self.ignore and (self.only is None or name in self.only)


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def no_vary_search(response: Fields) -> QueryRule | None:
    """None when the response does not say, or not validly: then all of the query matters."""
    value = response.get(b"no-vary-search")
    return None if value is None else _read(value)


@lru_cache(maxsize=256)
def _read(value: bytes) -> QueryRule | None:
    said = dictionary(value) or {}
    order, params, but = said.get("key-order", False), said.get("params", False), said.get("except")
    if not isinstance(order, bool) or (but is not None and (params is not True or not _are_names(but))):
        return None
    if params is True:
        rule = QueryRule(only=Names(_decoded(but or ())), sort=order)
    elif params is False:
        rule = QueryRule(sort=order)
    elif _are_names(params):
        rule = QueryRule(ignore=Names(_decoded(params)), sort=order)
    else:
        return None
    return None if rule == QueryRule() else rule


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _decoded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(unquote_plus, names))

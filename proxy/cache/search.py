"""What responses have said about the queries of their paths (No-Vary-Search).

A response that says that some of the query does not matter is stored under the query without it, and by path it is
remembered what it said: a request whose own URI has nothing stored is looked up under what it comes to by that. Whether
it may be answered with what is found there is for that response to say. To forget costs hits, nothing else.
"""

from __future__ import annotations

from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.http.fields import Fields
from proxy.http.query import QueryRule, no_vary_search

LIMIT = 10_000
"""Paths; the one that said so longest ago goes first."""


class Searches:
    """Those of one cache stage."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str, str], QueryRule] = {}

    def learn(self, key: Key, rule: QueryRule) -> None:
        path = key[:3]
        self._rules.pop(path, None)
        self._rules[path] = rule
        if len(self._rules) > LIMIT:
            del self._rules[next(iter(self._rules))]

    def alike(self, key: Key) -> Key | None:
        """Where a response to another query of this path may be that answers this one; None when there is none."""
        rule = self._rules.get(key[:3])
        if rule is None or key[3] is None:
            return None
        other = stored_under(key, rule)
        return None if other == key else other


def stored_under(key: Key, rule: QueryRule) -> Key:
    scheme, authority, path, query = key
    return (scheme, authority, path, query if query is None else rule.canonical(query))


def answers(entry: Entry, key: Key, found: Key) -> bool:
    """Whether a response that is stored under `found` says that it is also the one for this key."""
    rule = no_vary_search(Fields(entry.lines))
    return rule is not None and stored_under(key, rule) == found

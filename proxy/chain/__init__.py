"""Stages linked into chains, routes that choose one, and the entry that answers every request."""

from proxy.chain.entry import Entry
from proxy.chain.route import Match, Route
from proxy.chain.stage import Handler, Stage, link

__all__ = ["Entry", "Handler", "Match", "Route", "Stage", "link"]

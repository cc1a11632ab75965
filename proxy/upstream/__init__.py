"""Connections to origins, kept and shared by all clients."""

from proxy.upstream.connect import Connect, Endpoint
from proxy.upstream.origin import Limits
from proxy.upstream.upstream import Upstream

__all__ = ["Connect", "Endpoint", "Limits", "Upstream"]

"""Connections to origins, kept and shared by all clients."""

from proxy.upstream.connect import Connect, Endpoint
from proxy.upstream.limits import Limits
from proxy.upstream.origin import Origin
from proxy.upstream.upstream import Policy, Upstream

__all__ = ["Connect", "Endpoint", "Limits", "Origin", "Policy", "Upstream"]

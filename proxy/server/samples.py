"""Upstreams as metrics and operators see them."""

from __future__ import annotations

import asyncio

from proxy import telemetry
from proxy.upstream import Origin, Upstream


def sample(upstream: Upstream) -> telemetry.UpstreamSample:
    """At this time of the running event loop."""
    now = asyncio.get_running_loop().time()
    endpoints = [_endpoint_sample(origin, now) for origin in upstream.origins]
    return telemetry.UpstreamSample(upstream.name, upstream.retries, upstream.retries_refused, endpoints)


def _endpoint_sample(origin: Origin, now: float) -> telemetry.EndpointSample:
    active, idle = origin.connections
    return telemetry.EndpointSample(
        origin.name,
        origin.health.state(now).value,
        round(origin.share, 2),
        active,
        idle,
        max(0, origin.load - active),
        origin.requests,
        origin.ejections,
        origin.checks - origin.checks_failed,
        origin.checks_failed,
        dict(origin.failures),
    )

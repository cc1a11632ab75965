from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.exchange import Response
from proxy.http.fields import Fields
from proxy.telemetry import EndpointSample, Metrics, UpstreamSample
from proxy.telemetry.metrics import CacheSample, cache_events, cache_outcome
from tests.telemetry.exchanges import request

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(metrics: Metrics) -> Samples:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_an_exchange_counts_by_route_method_and_status_class() -> None:
    metrics = Metrics()

    metrics.finished(request(), Response(200, Fields()), 100, True, 0.003)
    metrics.finished(request(), Response(204, Fields()), 0, True, 0.003)
    metrics.finished(request(method="POST"), Response(502, Fields()), 7, False, 20.0)

    samples = scraped(metrics)
    assert of(samples, "sluice_requests_total", route="shop", method="GET", status="2xx") == 2
    assert of(samples, "sluice_requests_total", route="shop", method="POST", status="5xx") == 1
    assert of(samples, "sluice_sent_bytes_total", route="shop") == 107
    assert of(samples, "sluice_aborted_total", route="shop") == 1


def test_durations_are_a_cumulative_histogram() -> None:
    metrics = Metrics()

    for seconds in (0.0005, 0.003, 0.004, 20.0):
        metrics.finished(request(), Response(200, Fields()), 0, True, seconds)

    samples = scraped(metrics)
    counts = [
        of(samples, "sluice_request_duration_seconds_bucket", route="shop", le=le)
        for le in ("0.0005", "0.0025", "0.005", "10.0", "+Inf")
    ]
    assert counts == [1, 1, 3, 3, 4]
    assert of(samples, "sluice_request_duration_seconds_count", route="shop") == 4
    assert of(samples, "sluice_request_duration_seconds_sum", route="shop") == pytest.approx(20.0075)


def test_invented_methods_share_one_series() -> None:
    metrics = Metrics()

    for n in range(1000):
        metrics.finished(request(method=f"M{n}"), Response(405, Fields()), 0, True, 0.001)

    assert of(scraped(metrics), "sluice_requests_total", route="shop", method="other", status="4xx") == 1000
    assert len(metrics.routes["shop"].requests) == 1


@pytest.mark.parametrize(
    ("member", "outcome"),
    [
        ("pages; hit", ("pages", "hit")),
        ("pages; hit; ttl=30", ("pages", "hit")),
        ("pages; hit; ttl=-12", ("pages", "stale-hit")),
        ("pages; fwd=uri-miss; stored", ("pages", "uri-miss")),
        ("pages; fwd=vary-miss; fwd-status=200; stored; ttl=60", ("pages", "vary-miss")),
        ("pages; fwd=stale; fwd-status=304", ("pages", "stale")),
        ("pages; fwd=bypass", ("pages", "bypass")),
        ("pages", ("pages", "other")),
        ("", ("", "other")),
    ],
)
def test_outcomes_at_a_cache(member: str, outcome: tuple[str, str]) -> None:
    assert cache_outcome(member) == outcome


def test_each_cache_of_a_chain_counts() -> None:
    metrics = Metrics()
    asked = request()
    asked.exchange.cache_status = ["inner; hit; ttl=3", "outer; fwd=uri-miss"]

    metrics.finished(asked, Response(200, Fields()), 0, True, 0.001)

    samples = scraped(metrics)
    assert of(samples, "sluice_cache_requests_total", cache="inner", outcome="hit") == 1
    assert of(samples, "sluice_cache_requests_total", cache="outer", outcome="uri-miss") == 1


@pytest.mark.parametrize(
    ("member", "events"),
    [
        ("pages; hit; ttl=3", ()),
        ("pages; fwd=uri-miss", ()),
        ("pages; fwd=uri-miss; stored; ttl=3", ("stored",)),
        ("pages; fwd=uri-miss; collapsed; ttl=3", ("collapsed",)),
        ("pages; fwd=stale; fwd-status=304; stored", ("stored", "revalidated")),
        ("pages; fwd=uri-miss; detail=set-cookie", ("not-stored",)),
        ("pages; fwd=stale; fwd-status=503", ("stale-if-error",)),
        ("pages; fwd=stale; detail=connection_refused", ("stale-if-error",)),
    ],
)
def test_what_becomes_of_requests_below_a_cache(member: str, events: tuple[str, ...]) -> None:
    assert cache_events(member) == events


def test_caches_tell_bytes_events_and_what_is_in_them() -> None:
    metrics = Metrics(caches=lambda: [CacheSample("outer", 3, 4096, 100, 7), CacheSample("inner", 1, 1, None, 0)])
    asked = request()
    asked.exchange.cache_status = ["inner; fwd=stale; fwd-status=304; stored", "outer; fwd=uri-miss; stored; ttl=1"]

    metrics.finished(asked, Response(200, Fields()), 1000, True, 0.001)

    samples = scraped(metrics)
    assert of(samples, "sluice_cache_sent_bytes_total", cache="outer", outcome="uri-miss") == 1000
    assert of(samples, "sluice_cache_events_total", cache="inner", event="revalidated") == 1
    assert of(samples, "sluice_cache_evictions_total", cache="outer") == 7
    assert of(samples, "sluice_cache_urls", cache="outer") == 3
    assert of(samples, "sluice_cache_bytes", cache="outer", tier="memory") == 4096
    assert of(samples, "sluice_cache_bytes", cache="outer", tier="disk") == 100


@pytest.mark.parametrize(
    ("own", "events"),
    [
        ("outer; fwd=stale; fwd-status=304; stored", {"refreshed", "revalidated", "stored"}),
        ("outer; fwd=stale; stored; ttl=60", {"refreshed", "stored"}),
        ("outer; fwd=stale; detail=status", {"refresh-failed"}),
        ("outer; fwd=stale; fwd-status=503", {"refresh-failed"}),
        ("outer; fwd=stale; detail=connection_refused", {"refresh-failed"}),
        ("outer; fwd=stale", {"refresh-failed"}),
    ],
)
def test_a_refresh_in_the_background_is_no_request_to_its_cache(own: str, events: set[str]) -> None:
    metrics = Metrics()
    metrics.refreshed(["inner; fwd=uri-miss; stored", own])
    assert {outcome: tally.requests for outcome, tally in metrics.cache.items()} == {("inner", "uri-miss"): 1}
    assert metrics.cache_events == {("inner", "stored"): 1, **{("outer", event): 1 for event in events}}
    metrics.refreshed([])


def test_failures_count_by_type() -> None:
    metrics = Metrics()
    asked = request()
    asked.exchange.failure = ("connection_refused", "127.0.0.1:9000: a detail is no label")

    metrics.finished(asked, Response(502, Fields()), 0, True, 0.001)

    assert of(scraped(metrics), "sluice_failures_total", type="connection_refused") == 1


def test_a_filter_s_tally_outlives_a_reload() -> None:
    metrics = Metrics()
    tally = metrics.filter("geo")
    tally.runs, tally.memo_hits, tally.errors, tally.microseconds = 3, 9, 1, 2_500_000

    assert metrics.filter("geo") is tally
    samples = scraped(metrics)
    assert of(samples, "sluice_filter_runs_total", filter="geo") == 3
    assert of(samples, "sluice_filter_memo_hits_total", filter="geo") == 9
    assert of(samples, "sluice_filter_errors_total", filter="geo") == 1
    assert of(samples, "sluice_filter_seconds_total", filter="geo") == 2.5


def test_what_is_going_on_is_asked_at_scrape_time() -> None:
    one = EndpointSample("127.0.0.1:9000", "healthy", 1.0, 2, 5, 6, 40, 0, 8, 1, {"connection_refused": 1})
    two = EndpointSample("127.0.0.1:9001", "ejected", 1.0, 0, 0, 0, 9, 4, 0, 0, {})
    metrics = Metrics(
        upstreams=lambda: [UpstreamSample("shop", 7, 3, [one, two])],
        connections=lambda: 12,
        running=lambda: 4,
    )

    samples = scraped(metrics)
    endpoint = {"upstream": "shop", "endpoint": "127.0.0.1:9000"}
    ejected = {"upstream": "shop", "endpoint": "127.0.0.1:9001"}
    assert of(samples, "sluice_upstream_connections", **endpoint, state="active") == 2
    assert of(samples, "sluice_upstream_connections", **endpoint, state="idle") == 5
    assert of(samples, "sluice_upstream_requests_total", **endpoint) == 40
    assert of(samples, "sluice_upstream_failures_total", **endpoint, type="connection_refused") == 1
    assert of(samples, "sluice_upstream_waiting", **endpoint) == 6
    assert [of(samples, "sluice_upstream_healthy", **each) for each in (endpoint, ejected)] == [1, 0]
    assert of(samples, "sluice_upstream_health_checks_total", **endpoint, result="passed") == 8
    assert of(samples, "sluice_upstream_health_checks_total", **endpoint, result="failed") == 1
    assert of(samples, "sluice_upstream_ejections_total", **ejected) == 4
    assert of(samples, "sluice_upstream_retries_total", upstream="shop", outcome="sent") == 7
    assert of(samples, "sluice_upstream_retries_total", upstream="shop", outcome="over_budget") == 3
    assert (of(samples, "sluice_connections"), of(samples, "sluice_exchanges_running")) == (12, 4)


def test_the_process_is_in_it() -> None:
    assert b"process_resident_memory_bytes" in Metrics().render()


def test_connections_that_came_to_nothing() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.refused("0.0.0.0:443", "tls_version")
    assert of(scraped(metrics), "sluice_connections_refused_total", listener="0.0.0.0:443", reason="tls_version") == 2

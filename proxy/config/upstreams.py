"""The options of `upstreams:`. Terms are Envoy's where there are several in use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from proxy.config.options import Options
from proxy.config.tls import UpstreamTls
from proxy.config.values import (
    Attempts,
    Count,
    Duration,
    ErrorStatus,
    Host,
    OriginUrl,
    Percent,
    ServerAddress,
    StatusPattern,
    Target,
    Timeout,
    Weight,
)


class Dns(Options):
    """How names are looked up, of origins and of what components are granted to reach by sockets. What /etc/hosts says
    counts first."""

    nameservers: list[ServerAddress] = Field(default_factory=list)
    """host:port of each, by address. By default those of /etc/resolv.conf."""


class WeightedEndpoint(Options):
    """An endpoint with more than its address."""

    url: OriginUrl
    """http://host:port, https://host:port, or unix:/path of a socket."""
    weight: Weight = 1
    """Its part of the requests, relative to those of the others."""


def _form_of_endpoint(data: Any) -> str:
    return "[endpoint]" if isinstance(data, dict | WeightedEndpoint) else "[url]"


class Hash(Options):
    """What balance: consistent_hash goes by."""

    on: Literal["uri", "client_address", "header", "cookie"] = "uri"
    """uri is host, path and query. Requests that have no such header or cookie are spread at random."""
    name: Annotated[str, Field(min_length=1)] | None = None
    """Of the header or cookie."""
    max_load: Percent = 1.25
    """Requests that one endpoint may have under way, of what would be its part of all. Beyond that they go to the next
    on the ring. More than 100%."""

    @model_validator(mode="after")
    def _name_where_it_belongs(self) -> Hash:
        if (self.name is None) is (self.on in ("header", "cookie")):
            needs = "needs the `name` of it" if self.name is None else "has no `name`"
            raise ValueError(f"hash on {self.on} {needs}")
        if self.max_load <= 1:
            raise ValueError("max_load must be more than 100%, or there is no room for chance")
        return self


class HealthCheck(Options):
    """Active checks: each endpoint is asked by itself, on a connection of its own."""

    path: Target
    """Path, and query, that is asked for with GET."""
    host: Host | None = None
    """The Host of the request. By default the endpoint's own."""
    interval: Timeout = 10.0
    """Between two checks of an endpoint, a tenth more or less."""
    timeout: Timeout = 2.0
    """For the header section of the answer."""
    unhealthy_threshold: Count = 3
    """Checks that fail in a row until the endpoint gets no requests. The first check of all decides alone."""
    healthy_threshold: Count = 2
    """Checks that pass in a row until it gets some again."""
    expected_statuses: Annotated[list[StatusPattern], Field(min_length=1)] = Field(
        default_factory=lambda: ["2xx", "3xx"]
    )
    """Of answers that pass: 204, or 2xx for all of a kind."""


class OutlierDetection(Options):
    """Passive checks: endpoints are left out for a while (ejected) when their requests fail."""

    consecutive_failures: Count = 5
    """Requests in a row that got no answer, or not all of it."""
    consecutive_5xx: Count | None = None
    """Answers in a row with a status of 500 or more. They do not matter when absent."""
    base_ejection_time: Timeout = 30.0
    """How long it is left out at first; twice as long each time that follows soon after."""
    max_ejection_time: Timeout = 300.0
    """How long at most."""
    max_ejection_percent: Percent = 0.5
    """Of the endpoints, that may be out of use before no more are ejected. One is always left."""


class Retries(Options):
    """What is sent once more when an endpoint fails: requests that nothing was sent of, and those with idempotent
    methods whose body is still here; in both cases only when nothing of an answer has come. Another endpoint is
    preferred."""

    attempts: Attempts = 1
    """How often at most; 0 never."""
    statuses: list[ErrorStatus] = Field(default_factory=list)
    """Of answers that are taken for failures, such as 503, where another endpoint can be asked."""
    budget: Percent = 0.2
    """Retries for every 100 requests, on average, beyond a first ten."""


class Upstream(Options):
    """Origin servers that serve the same content."""

    endpoints: Annotated[
        list[
            Annotated[
                Annotated[OriginUrl, Tag("[url]")] | Annotated[WeightedEndpoint, Tag("[endpoint]")],
                Discriminator(_form_of_endpoint),
            ]
        ],
        Field(min_length=1),
    ]
    """http://host:port or https://host:port of each, or unix:/path of a socket. A name that has several addresses is as
    many endpoints."""
    tls: UpstreamTls = UpstreamTls()
    """What is asked of endpoints that are https."""
    protocol: Literal["http/1.1", "h2"] = "http/1.1"
    """What the endpoints speak; h2 is needed for gRPC. Many exchanges then share a connection, and max_connections is
    seldom reached."""
    balance: Literal["round_robin", "least_requests", "consistent_hash"] = "round_robin"
    """Which endpoint a request goes to: each in its turn; of two drawn at random the one with less under way; the one
    that a hash of the request says."""
    hash: Hash = Hash()
    """What consistent_hash goes by."""
    health_check: HealthCheck | None = None
    """Active checks. None when absent."""
    outlier_detection: OutlierDetection = OutlierDetection()
    """Passive checks."""
    retries: Retries = Retries()
    """What is sent once more."""
    slow_start: Duration = 0.0
    """For how long an endpoint that is new, or healthy again, gets less than its part of the requests, from a tenth
    up."""
    max_connections: Count = 256
    """Connections to each endpoint; exchanges beyond that wait for one to become free."""
    max_waiting: Count = 1024
    """Exchanges that wait for a connection to an endpoint; more are answered with 503."""
    connect_timeout: Timeout = 5.0
    """For a name to be looked up, a connection to be made, or one in use to become free; then 504, or 503."""
    response_timeout: Timeout = 60.0
    """From the request sent to the response's header section; then 504."""
    body_timeout: Timeout = 60.0
    """Between two pieces of either body."""
    idle_timeout: Timeout = 60.0
    """How long an unused connection is kept."""

    @model_validator(mode="after")
    def _fits_together(self) -> Upstream:
        urls = [each.url for each in self.weighted]
        if twice := next((url for url in urls if urls.count(url) > 1), None):
            raise ValueError(f"{twice} is there twice; give it a weight instead")
        if self.tls != UpstreamTls() and not any(url.secure for url in urls):
            raise ValueError("tls is for endpoints that are https://")
        if self.hash != Hash() and self.balance != "consistent_hash":
            raise ValueError("hash is for balance: consistent_hash alone")
        if self.outlier_detection.max_ejection_percent > 1:
            raise ValueError("max_ejection_percent is more than 100%")
        return self

    @property
    def weighted(self) -> list[WeightedEndpoint]:
        """The endpoints in the longer of their two forms."""
        return [each if isinstance(each, WeightedEndpoint) else WeightedEndpoint(url=each) for each in self.endpoints]

"""The options of the YAML file: with `upstreams` and `tls` the only list of them.

Sizes are bytes, durations are seconds; `values` says how each is written. What concerns more than one option
(names that must exist, the order of a chain) is in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    WrapSerializer,
    field_validator,
    model_validator,
)

from proxy.config.options import Options, beside_the_file
from proxy.config.sockets import Sockets
from proxy.config.tls import ListenerTls
from proxy.config.upstreams import Dns, Upstream
from proxy.config.values import (
    CookieName,
    Count,
    Duration,
    FieldName,
    FieldValue,
    HostPattern,
    LanguageTag,
    ListenAddress,
    Method,
    Name,
    Network,
    ParamPattern,
    PathPattern,
    Size,
    SocketFile,
    SocketMode,
    Status,
    Timeout,
    WebOrigin,
    Workers,
)

MiB = 1 << 20


Protocol = Literal["http/1.1", "h2", "h3"]
PROTOCOLS: tuple[Protocol, ...] = ("http/1.1", "h2")


class Listener(Options):
    """An address that clients connect to."""

    address: ListenAddress
    """host:port; [address]:port for IPv6; port 0 takes any free one; or unix:/path of a socket."""
    mode: SocketMode | None = None
    """Permissions of a Unix socket's file, whose writers may connect; 0600 when absent."""
    tls: ListenerTls | None = None
    """https, with these certificates; http when absent."""
    proxy_protocol: bool = False
    """Each connection begins with a header of the PROXY protocol, version 1 or 2, that says who the client is; one that
    does not is closed. Only for listeners that nobody but a load balancer can reach."""
    protocols: Annotated[list[Protocol], Field(min_length=1)] = Field(default_factory=lambda: [*PROTOCOLS])
    """The versions of HTTP that are spoken. With TLS a client chooses one by ALPN; without it, whoever knows that h2 is
    among them begins with it (RFC 9113 §3.3). h3 is spoken over UDP, on the same port, to clients that have learned of
    it from the others (Alt-Svc); it needs TLS, and `pip install 'sluicegate[http3]'`."""
    header_timeout: Timeout = 10.0
    """From the first byte of a request to the end of its header section; then 408."""
    body_timeout: Timeout = 30.0
    """Between two pieces of a request body; then 408."""
    idle_timeout: Timeout = 60.0
    """How long a connection is kept without a request on it."""
    tunnel_timeout: Timeout = 3600.0
    """How long a tunnel, such as a WebSocket's, is kept while nothing comes from either side."""
    max_header_size: Size = 32 * 1024
    """Request line and header section together; more is answered with 431, or 414 for a request line that long."""
    max_headers: Count = 100
    """Field lines of a request; more are answered with 431."""
    max_body: Size | None = None
    """A request body longer than this is answered with 413. No limit when absent."""
    max_connections: Count = 10_000
    """Connections open at once; further ones are closed at once."""
    max_exchanges: Count = 10_000
    """Exchanges under way at once in a worker; further requests are answered with 503 and Retry-After."""

    @model_validator(mode="after")
    def _can_speak_http3(self) -> Listener:
        if "h3" not in self.protocols:
            return self
        if isinstance(self.address, SocketFile):
            raise ValueError("h3 is spoken over UDP: it needs a host and a port")
        if self.tls is None:
            raise ValueError("h3 is always encrypted: it needs tls")
        if self.protocols == ["h3"]:
            raise ValueError("h3 needs h2 or http/1.1 beside it, from which clients learn that it is there")
        if self.proxy_protocol:
            raise ValueError("h3 cannot be relayed with proxy_protocol")
        if self.tls.client_ca is not None:
            raise ValueError("h3 cannot ask clients for certificates, as client_ca wants it to")
        return self


class Admin(Options):
    """The endpoints for operators: health, metrics, configuration, filters, caches, purging."""

    address: ListenAddress
    """host:port, or unix:/path of a socket."""
    mode: SocketMode | None = None
    """Permissions of a Unix socket's file, whose writers may connect; 0600 when absent."""
    token: Annotated[str, Field(min_length=1)] | None = Field(default=None, repr=False, exclude=True)
    """What a client must send as `Authorization: Bearer …`. Required when the address is one that other
    machines can reach."""


LogField = Literal[
    "time", "id", "client", "method", "scheme", "authority", "target", "status", "bytes", "complete", "us", "route",
    "referer", "user_agent", "cache", "filters", "failure", "detail",
]  # fmt: skip


class AccessLog(Options):
    """One line for each exchange."""

    format: Literal["json", "combined"] = "json"
    """json, or combined, as Apache and nginx write it."""
    to: Annotated[str, Field(min_length=1)] = "stdout"
    """stdout, or the path of a file that is appended to."""
    fields: list[LogField] | None = None
    """Which fields a JSON object has; all of them when absent."""
    request_headers: list[FieldName] = Field(default_factory=list)
    """Fields of requests that a JSON object has too; without the values of Authorization and Cookie."""
    response_headers: list[FieldName] = Field(default_factory=list)
    """The same of responses; without the value of Set-Cookie."""
    hide_params: list[ParamPattern] = Field(default_factory=list)
    """Parameters of queries whose values are left out; token_* is all that begin with token_."""


class Log(Options):
    """What the proxy itself has to say, on standard error."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    """The least severe level written, by the proxy and by filters."""


class FilterLimits(Options):
    """What one instance of a filter may use."""

    memory: Size = 32 * MiB
    """Linear memory."""
    time: Timeout = 0.05
    """Running time of one call; waiting does not count."""
    total: Timeout = 60.0
    """For a component that serves: one exchange from its beginning to its end, waiting included."""


class Folder(Options):
    """A directory that a component may use."""

    path: Path
    """Relative to this file."""
    at: str = "/"
    """What the component calls it."""
    write: bool = False
    """It may also change what is in it."""

    @field_validator("path")
    @classmethod
    def _beside_the_file(cls, path: Path, info: ValidationInfo) -> Path:
        return beside_the_file(path, info)


class Grant(Options):
    """What a component may do, in detail."""

    http: list[WebOrigin] | None = None
    """Origins that a component that serves may ask: http://host:port or https://host:port of each, https with a
    certificate that the system trusts. Addresses of this machine and of private networks only where they are named as
    such."""
    environment: dict[str, str] | None = None
    """Environment variables that it sees, by name. What looks at them is not remembered."""
    filesystem: list[Folder] | None = None
    """Directories that a component that serves may read."""
    sockets: Sockets | None = None
    """Whom a component that serves may reach by TCP and UDP."""


def _form_of_grant(data: Any) -> str:
    return "[name]" if isinstance(data, str) else "[grant]"


class Reuse(Options):
    """How instances of a component of wasi:http 0.3 are used again. They keep their state."""

    reuse: Annotated[int, Field(ge=1)] = 1
    """Exchanges that an instance has in its life."""
    concurrent: Annotated[int, Field(ge=1)] = 1
    """Of these, how many at a time."""


def _form_of_instance(data: Any) -> str:
    return "[name]" if isinstance(data, str) else "[reuse]"


class Filter(Options):
    """A WebAssembly component, and how it is run."""

    component: Path
    """The .wasm file, relative to this file."""
    config: dict[str, Any] = Field(default_factory=dict)
    """What the component gets from sluice:filter/config."""
    limits: FilterLimits = FilterLimits()
    """Beyond these the call ends as failed."""
    instance: Annotated[
        Annotated[Literal["fresh", "pooled"], Tag("[name]")] | Annotated[Reuse, Tag("[reuse]")],
        Discriminator(_form_of_instance),
    ] = "fresh"
    """fresh: a new instance for each exchange. pooled: instances are used again, and keep their state. How often, for
    components of wasi:http 0.3: {reuse, concurrent}."""
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"
    """When a call fails: fail_closed answers with an error, fail_open goes on as if the filter were not there."""
    grants: list[
        Annotated[
            Annotated[str, Tag("[name]")] | Annotated[Grant, Tag("[grant]")],
            Discriminator(_form_of_grant),
        ]
    ] = Field(default_factory=list)
    """What it may do beyond reading and changing the exchange; nothing by default. clocks and random are given by their
    name alone."""
    memo: bool = True
    """Remember what it decided, by what it read, where that is sound."""

    @field_validator("component")
    @classmethod
    def _beside_the_file(cls, path: Path, info: ValidationInfo) -> Path:
        return beside_the_file(path, info)


class Match(Options):
    """What a request must have, all of it; what is left out matches anything."""

    host: HostPattern | None = None
    """A host, without port; *.example.com is any host below example.com, at any depth, and not itself."""
    path: PathPattern | None = None
    """A path, without query; /api/* is any path that begins with /api/."""
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    """Any of these, upper-case."""


class Disk(Options):
    """Where a cache keeps what outlives the process."""

    path: Path
    """A directory, relative to this file; made if it is not there. Each cache has one below it, by its name, which
    several processes may share."""
    max_size: Size = 1024 * MiB
    """Disk space for everything stored; the least recently used goes first."""

    @field_validator("path")
    @classmethod
    def _beside_the_file(cls, path: Path, info: ValidationInfo) -> Path:
        return beside_the_file(path, info)


class CacheQuery(Options):
    """Which parameters of a query matter. What does not matter is not passed below either."""

    ignore: list[ParamPattern] = Field(default_factory=list)
    """Parameters that do not; utm_* is all that begin with utm_."""
    only: list[ParamPattern] | None = None
    """No others do. All, when absent."""
    sort: bool = False
    """The order of parameters with different names does not matter."""


class CacheKey(Options):
    """Which requests are alike, beyond what HTTP says."""

    query: CacheQuery = CacheQuery()
    """Which parameters of the query matter."""
    languages: list[LanguageTag] = Field(default_factory=list)
    """Those that responses come in, the default first. Accept-Language is replaced by the one of them that it prefers,
    and left out when there is none."""
    vary: list[FieldName] = Field(default_factory=list)
    """Fields of requests that responses depend on without naming them in Vary."""


class CacheBypass(Options):
    """Requests that are passed below, and what comes for them is not stored."""

    cookies: list[CookieName] = Field(default_factory=list)
    """Those with one of these cookies."""
    headers: list[FieldName] = Field(default_factory=list)
    """Those with one of these fields."""


class Cache(Options):
    """A cache of what comes from the stages below it, following RFC 9111."""

    name: Name = ""
    """Stages with the same name are one cache, and have the same options. By default: cache-1, cache-2, …"""
    ttl: Duration | None = None
    """How long a response is fresh that does not say so itself."""
    status_ttl: dict[Status, Duration] = Field(default_factory=dict)
    """The same by status, such as 404 or 503, which need not be one that may be stored without saying so."""
    stale_while_revalidate: Duration = 0.0
    """How long a stale response is used while a newer one is fetched, where it does not say so itself."""
    stale_if_error: Duration | None = None
    """How long a stale response is used when the answer is 500, 502, 503, 504 or none at all, where it does not say so
    itself. When absent: an hour, and only where there is no answer."""
    set_cookie: Literal["refuse", "strip", "store"] = "refuse"
    """What becomes of a response with Set-Cookie that does not say public or s-maxage: refuse does not store it, strip
    stores it without the field, store stores all of it."""
    target_list: list[FieldName] = Field(default_factory=lambda: ["cdn-cache-control"])
    """The fields that stand in for Cache-Control and Expires; the first one that a response has. surrogate-control is
    read as W3C noted it, all others as RFC 9213 says."""
    tag_headers: Literal["strip", "keep"] = "strip"
    """Whether Surrogate-Key and Cache-Tag, which give tags to purge responses by, go further towards the client."""
    key: CacheKey = CacheKey()
    """What responses are found by."""
    bypass: CacheBypass = CacheBypass()
    """Requests that the cache has no part in."""
    max_size: Size = 64 * MiB
    """Memory for everything stored, and for what is arriving; the least used goes first."""
    max_object_size: Size = 1 * MiB
    """A response with a longer body is not stored, nor one that is longer than half of max_size."""
    disk: Disk | None = None
    """What is stored in memory is on disk as well, and more. None when absent."""


class Respond(Options):
    """A fixed response."""

    status: Status = 200
    """From 200 to 599."""
    headers: dict[FieldName, FieldValue] = Field(default_factory=dict)
    """Fields by name. The proxy adds content-length itself."""
    body: str = ""
    """Text, sent as UTF-8."""


class FilterStage(Options):
    """Runs a filter on the request on its way down, and on the response on its way up."""

    filter: str
    """Its name under filters."""


class CacheStage(Options):
    """Answers from a cache; asks the stages below when it cannot."""

    cache: Annotated[Cache, BeforeValidator(lambda value: {} if value is None else value)]
    """Its options; {} takes the defaults."""


class ForwardStage(Options):
    """The last stage: asks an upstream."""

    forward: str
    """Its name under upstreams."""


class RespondStage(Options):
    """The last stage: answers at once."""

    respond: Respond
    """The response."""


class ServeStage(Options):
    """The last stage: a component that answers by itself (wasi:http/proxy)."""

    serve: str
    """Its name under filters."""


STAGES = ("filter", "cache", "forward", "respond", "serve")
TERMINAL = ("forward", "respond", "serve")
"""The stages a chain can end with, and has nowhere else."""


def stage_kind(data: Any) -> str | None:
    """Which of STAGES this mapping, or model, is."""
    keys = data if isinstance(data, dict) else type(data).model_fields if isinstance(data, Options) else ()
    return next((kind for kind in STAGES if kind in keys), None)


Stage = Annotated[
    Annotated[FilterStage, Tag("filter")]
    | Annotated[CacheStage, Tag("cache")]
    | Annotated[ForwardStage, Tag("forward")]
    | Annotated[RespondStage, Tag("respond")]
    | Annotated[ServeStage, Tag("serve")],
    Discriminator(
        stage_kind,
        custom_error_type="stage",
        custom_error_message="a stage is one of filter, cache, forward, respond, serve",
    ),
]


class Route(Options):
    """Which requests go through which chain."""

    match: Match = Match()
    """Every request, when absent."""
    chain: Annotated[list[Stage], Field(min_length=1)]
    """The stages a request goes down and its response comes back up; the last is forward, respond or serve."""


def _off(value: Any) -> Any:
    """`off`, as text or as the boolean that other YAML readers make of it, is None here."""
    return None if value in ("off", False) else value


def _show_off(value: AccessLog | None, handler: SerializerFunctionWrapHandler) -> Any:
    return "off" if value is None else handler(value)


def _off_for_null(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"enum": ["off", False]} if each == {"type": "null"} else each for each in schema["anyOf"]]


class Config(Options):
    """A configuration of Sluicegate."""

    version: Literal[1]
    """Of this format: 1."""
    listeners: Annotated[list[Listener], Field(min_length=1)]
    """Where clients connect."""
    admin: Admin | None = None
    """The endpoints for operators; off when absent."""
    workers: Workers = 1
    """Processes that serve; auto is one for each core."""
    access_log: Annotated[
        AccessLog | None,
        BeforeValidator(_off),
        WrapSerializer(_show_off, when_used="json"),
        Field(json_schema_extra=_off_for_null),
    ] = AccessLog()
    """One line for each exchange; off writes none."""
    server_timing: list[Network] = Field(default_factory=list)
    """Clients, as addresses and networks, that are told in Server-Timing what each stage took, when a request of theirs
    has the field X-Server-Timing."""
    log: Log = Log()
    """What the proxy itself has to say."""
    dns: Dns = Dns()
    """How names of origins are looked up."""
    upstreams: dict[Name, Upstream] = Field(default_factory=dict)
    """Groups of origin servers, by name."""
    filters: dict[Name, Filter] = Field(default_factory=dict)
    """Components, by name."""
    routes: Annotated[list[Route], Field(min_length=1)]
    """The first one that matches takes the request; when none does the answer is 404."""

    @property
    def caches(self) -> Iterator[Cache]:
        """Of every cache stage, in the order of the file."""
        return (stage.cache for route in self.routes for stage in route.chain if isinstance(stage, CacheStage))

    @model_validator(mode="after")
    def _name_caches(self) -> Config:
        taken = {cache.name for cache in self.caches}
        free = (name for n in range(1, len(list(self.caches)) * 2 + 1) if (name := f"cache-{n}") not in taken)
        for cache in self.caches:
            if not cache.name:
                # Frozen from here on; the default depends on where the stage stands.
                object.__setattr__(cache, "name", next(free))
        return self

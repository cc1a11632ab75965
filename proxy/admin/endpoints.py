"""The endpoints of the admin listener, served by the same code as any other listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from proxy.admin.access import bearer_matches, host_is_literal, is_foreign
from proxy.admin.dashboard import page
from proxy.admin.endpoint import Endpoint, respond, respond_json, respond_text
from proxy.admin.redaction import redacted
from proxy.exchange import Request, Response
from proxy.telemetry import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class FilterState:
    """A declared filter. digest: `sha256:…` of its component. detail: why it failed, else ""."""

    name: str
    digest: str
    state: Literal["compiling", "ready", "failed"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the endpoints show, asked anew for each request.

    filters: None when no worker is there to tell. metrics: Prometheus' text format. config: the configuration in
    effect, JSON-like, secrets still in it. status: the processes and what they serve, JSON-like. reload: what is wrong
    with the configuration as it is on disk; None when it is in effect now.
    """

    filters: Callable[[], Awaitable[Sequence[FilterState] | None]]
    draining: Callable[[], bool]
    upstreams: Callable[[], Awaitable[Sequence[object]]]
    metrics: Callable[[], Awaitable[bytes]]
    config: Callable[[], Mapping[str, object]]
    status: Callable[[], Awaitable[Mapping[str, object]]]
    reload: Callable[[], Awaitable[str | None]]


class Admin:
    """Answers requests to the admin listener (a `chain.Handler`).

    loopback: only this machine can reach the listener. token: a bearer token that requests, except for `/healthz`,
    must carry; ValueError when there is none and other machines can. more: further endpoints, by path.
    """

    def __init__(
        self, view: View, loopback: bool, token: str | None = None, more: Mapping[str, Endpoint] = MappingProxyType({})
    ) -> None:
        if token is None and not loopback:
            raise ValueError("admin could be reached from other machines: give it a token, or bind it to 127.0.0.1")
        self._view = view
        self._token = token
        self._endpoints: dict[str, Endpoint] = {
            "/": Endpoint("this list", self._index),
            # A health check has no place for a token, and learns nothing from it that a refusal would not tell.
            "/healthz": Endpoint("200 while the process lives", self._healthz, open=True),
            "/readyz": Endpoint("200 when every filter is ready and nothing is draining, else 503", self._readyz),
            "/upstreams": Endpoint("the endpoints of each upstream, their health and what they do", self._upstreams),
            "/metrics": Endpoint("Prometheus metrics", self._metrics),
            "/config": Endpoint("the configuration in effect, without secrets", self._config),
            "/status": Endpoint("processes, listeners and filters", self._status),
            "/reload": Endpoint("POST: put in effect what the configuration's file says now", self._reload, ("POST",)),
            **page(),
            **more,
        }

    async def __call__(self, request: Request) -> Response:
        answer = self._refusal(request) or self._answer(request)
        response = answer if isinstance(answer, Response) else await answer
        response.fields.append(b"cache-control", b"no-store")
        response.fields.append(b"x-content-type-options", b"nosniff")
        if request.method == "HEAD":
            response.body = b""
        return response

    def _refusal(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD") and is_foreign(request):
            return respond_text(403, "a page of another origin may change nothing here\n")
        if self._token is None:
            if host_is_literal(request.authority):
                return None
            return respond_text(421, "address this listener by IP address or as localhost, or give it a token\n")
        endpoint = self._endpoints.get(request.path)
        if (endpoint is not None and endpoint.open) or bearer_matches(request, self._token):
            return None
        response = respond_text(401, "a bearer token is needed\n")
        response.fields.append(b"www-authenticate", b'Bearer realm="sluice admin"')
        return response

    def _answer(self, request: Request) -> Response | Awaitable[Response]:
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return respond_text(404, "no such endpoint; / lists them\n")
        if request.method not in endpoint.methods:
            response = respond_text(405, f"{' or '.join(endpoint.methods)}\n")
            response.fields.append(b"allow", ", ".join(endpoint.methods).encode())
            return response
        return endpoint.answer(request)

    def _index(self, _: Request) -> Response:
        return respond_text(
            200, "".join(f"{path:16} {each.about}\n" for path, each in self._endpoints.items() if each.about)
        )

    def _healthz(self, _: Request) -> Response:
        return respond_text(200, "ok\n")

    async def _readyz(self, _: Request) -> Response:
        filters = await self._view.filters()
        draining = self._view.draining()
        ready = not draining and filters is not None and all(filter.state == "ready" for filter in filters)
        state = {"ready": ready, "draining": draining, "filters": [asdict(filter) for filter in filters or ()]}
        return respond_json(200 if ready else 503, state)

    async def _upstreams(self, _: Request) -> Response:
        return respond_json(200, await self._view.upstreams())

    async def _metrics(self, _: Request) -> Response:
        return respond(200, CONTENT_TYPE, await self._view.metrics())

    def _config(self, _: Request) -> Response:
        return respond_json(200, redacted(self._view.config()))

    async def _status(self, _: Request) -> Response:
        return respond_json(200, await self._view.status())

    async def _reload(self, _: Request) -> Response:
        """422: the configuration is at fault (RFC 9110 §15.5.21)."""
        wrong = await self._view.reload()
        return respond_json(200, {"reloaded": True}) if wrong is None else respond_text(422, f"{wrong}\n")

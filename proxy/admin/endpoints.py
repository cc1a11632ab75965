"""The endpoints of the admin listener, served by the same code as any other listener."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from proxy.admin.access import bearer_matches, host_is_literal, is_loopback
from proxy.admin.redaction import redacted
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.telemetry import CONTENT_TYPE

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


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

    metrics: Prometheus' text format. config: the configuration in effect, JSON-like, secrets still in it.
    """

    filters: Callable[[], Sequence[FilterState]]
    draining: Callable[[], bool]
    metrics: Callable[[], bytes]
    config: Callable[[], Mapping[str, object]]


class Admin:
    """Answers requests to the admin listener (a `chain.Handler`).

    host: what the listener is bound to, an address or a name without port. token: a bearer token that requests,
    except for `/healthz`, must carry. Without one the host must be loopback, or ValueError is raised.
    """

    def __init__(self, view: View, host: str, token: str | None = None) -> None:
        if token is None and not is_loopback(host):
            raise ValueError(
                f"admin on {host} could be reached from other machines: give it a token, or bind it to 127.0.0.1"
            )
        self._view = view
        self._token = token
        self._endpoints: dict[str, tuple[str, Callable[[], Response]]] = {
            "/": ("this list", self._index),
            "/healthz": ("200 while the process lives", self._healthz),
            "/readyz": ("200 when every filter is ready and nothing is draining, else 503", self._readyz),
            "/metrics": ("Prometheus metrics", self._metrics),
            "/config": ("the configuration in effect, without secrets", self._config),
        }

    async def __call__(self, request: Request) -> Response:
        response = self._refusal(request) or self._answer(request)
        response.fields.append(b"cache-control", b"no-store")
        response.fields.append(b"x-content-type-options", b"nosniff")
        if request.method == "HEAD":
            response.body = b""
        return response

    def _refusal(self, request: Request) -> Response | None:
        if self._token is None:
            if host_is_literal(request.authority):
                return None
            return _text(421, "address this listener by IP address or as localhost, or give it a token\n")
        # A health check has no place for a token, and learns nothing from it that a refusal would not tell.
        if request.path == "/healthz" or bearer_matches(request, self._token):
            return None
        response = _text(401, "a bearer token is needed\n")
        response.fields.append(b"www-authenticate", b'Bearer realm="sluice admin"')
        return response

    def _answer(self, request: Request) -> Response:
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return _text(404, "no such endpoint; / lists them\n")
        if request.method not in ("GET", "HEAD"):
            response = _text(405, "read only: GET or HEAD\n")
            response.fields.append(b"allow", b"GET, HEAD")
            return response
        return endpoint[1]()

    def _index(self) -> Response:
        return _text(200, "".join(f"{path:10} {about}\n" for path, (about, _) in self._endpoints.items()))

    def _healthz(self) -> Response:
        return _text(200, "ok\n")

    def _readyz(self) -> Response:
        filters = self._view.filters()
        draining = self._view.draining()
        ready = not draining and all(filter.state == "ready" for filter in filters)
        state = {"ready": ready, "draining": draining, "filters": [asdict(filter) for filter in filters]}
        return _json(200 if ready else 503, state)

    def _metrics(self) -> Response:
        return _response(200, CONTENT_TYPE, self._view.metrics())

    def _config(self) -> Response:
        return _json(200, redacted(self._view.config()))


def _response(status: int, content_type: str, body: bytes) -> Response:
    fields = Fields([(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))])
    return Response(status, fields, body)


def _text(status: int, text: str) -> Response:
    return _response(status, TEXT, text.encode())


def _json(status: int, data: object) -> Response:
    return _response(status, JSON, json.dumps(data, indent=2).encode() + b"\n")

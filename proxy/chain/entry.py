"""The top of every chain: choose the route, run its chain, and make sure that there is an answer.

The path is brought into its canonical form first (`http.path`), for routes, filters, caches and the origin alike.

A failure becomes a response that says so in `Proxy-Status` (RFC 9209); every response gets `Via` (RFC 9110 §7.6.3)
and `x-request-id`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from proxy import errors
from proxy.chain.route import Route
from proxy.chain.table import RouteTable
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields, Line, removed
from proxy.http.hop_by_hop import add_via
from proxy.http.path import canonical, is_ambiguous, is_plain, loosest
from proxy.http.proxy_status import PSEUDONYM, proxy_status
from proxy.http.status import reason

_VIA: Final = (b"via", f"1.1 {PSEUDONYM}".encode())

_SIGNATURE: Final = frozenset((b"via", b"x-request-id"))

logger: Final = logging.getLogger(__name__)


class Entry:
    """Answers every request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.follow(routes)

    def follow(self, routes: Sequence[Route]) -> None:
        """From now on. An exchange keeps the chain it began with."""
        self._table = RouteTable(routes)

    async def __call__(self, request: Request) -> Response:
        exchange = request.exchange
        plain = is_plain(request.path)
        if not plain:
            request.path = canonical(request.path)
        route = self._table.choose(request)
        try:
            if not plain and is_ambiguous(request.path):
                self._check_reading(request, route)
            if route is None:
                raise ProxyError(errors.DESTINATION_NOT_FOUND, "no route matches", status=404)
            exchange.route = route.name
            response = await route.handler(request)
        except ProxyError as error:
            response = failed(error, exchange, request.method)
        except Exception:
            # Ours to mend, and nobody else's: this exchange ends, all others go on.
            logger.exception("internal error", extra={"request_id": exchange.id})
            response = failed(ProxyError(errors.PROXY_INTERNAL_ERROR, "see the log"), exchange, request.method)
        return _signed(response, exchange)

    def _check_reading(self, request: Request, route: Route | None) -> None:
        """An origin that reads the path more loosely than we do must not be reached around the route it belongs to."""
        loosely = request.copy()
        loosely.path = loosest(request.path)
        if self._table.choose(loosely) is not route:
            raise ProxyError(errors.HTTP_REQUEST_ERROR, "the path can be read as one of another route", status=400)


def failed(error: ProxyError, exchange: Exchange, method: str) -> Response:
    """The response that tells the client of a failure made here."""
    exchange.failure = (error.failure.type, error.detail)
    text = f"{error.status} {reason(error.status)}\n{error.failure.type}\nrequest {exchange.id}\n".encode()
    fields = Fields(
        (
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            (b"cache-control", b"no-store"),
            (b"proxy-status", proxy_status(error)),
        )
    )
    return Response(error.status, fields, b"" if method == "HEAD" else text)


def _signed(response: Response, exchange: Exchange) -> Response:
    signed = response.fields.after(_with_via)
    if signed is None:
        signed = Fields(_with_via(response.fields.lines))
    signed.append(b"x-request-id", exchange.id.encode())
    return Response(response.status, signed, response.body, response.tags)


def _with_via(lines: list[Line]) -> list[Line]:
    """And without the `x-request-id` of somebody else."""
    for name, _ in lines:
        if name in _SIGNATURE:
            return add_via(removed(lines, b"x-request-id"), "1.1", PSEUDONYM)
    return [*lines, _VIA]

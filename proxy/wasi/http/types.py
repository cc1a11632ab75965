"""wasi:http/types, incoming-handler and outgoing-handler (0.2), with a Visit behind them."""

from __future__ import annotations

from collections.abc import Callable

from proxy import errors
from proxy.component import HostInterface
from proxy.errors import ProxyError
from proxy.exchange import Request
from proxy.exchange.observation import observed
from proxy.wasi.http import fields
from proxy.wasi.http.bodies import BodyOutput
from proxy.wasi.http.errors import error_code
from proxy.wasi.http.fields import GuestFields
from proxy.wasi.http.messages import (
    AGAIN,
    FutureResponse,
    FutureTrailers,
    Incoming,
    IncomingBody,
    IncomingRequest,
    IncomingResponse,
    Outgoing,
    OutgoingRequest,
    OutgoingResponse,
)
from proxy.wasi.http.setters import OK, REFUSED, Result, method_case, set_authority, set_method, set_target
from proxy.wasi.http.timeouts import NONE, Timeouts
from proxy.wasi.http.visit import Visit

Functions = dict[str, Callable[..., object]]


class ResponseOut:
    """Where a guest puts its answer; one for each visit."""


def interfaces() -> dict[str, HostInterface]:
    return {
        "http/types": HostInterface(
            {
                "http-error-code": _http_error_code,
                "[static]response-outparam.set": lambda visit, out, outcome: visit.respond(outcome),
                "[method]response-outparam.send-informational": _no_informational,
                **fields.functions(),
                **_methods("incoming-request", _INCOMING_REQUEST),
                **_methods("incoming-response", _INCOMING_RESPONSE),
                **_methods("incoming-body", {"stream": lambda visit, body: body.stream()}),
                "[static]incoming-body.finish": _finish_incoming,
                **_methods("future-trailers", _FUTURE),
                "[constructor]outgoing-request": lambda visit, headers: OutgoingRequest(headers),
                **_methods("outgoing-request", _OUTGOING_REQUEST),
                "[constructor]outgoing-response": lambda visit, headers: OutgoingResponse(headers),
                **_methods("outgoing-response", _OUTGOING_RESPONSE),
                **_methods("outgoing-body", {"write": _write}),
                "[static]outgoing-body.finish": _finish_outgoing,
                "[constructor]request-options": lambda visit: Timeouts(),
                **_methods("request-options", _OPTIONS),
                **_methods("future-incoming-response", _FUTURE),
            },
            resources={
                **dict.fromkeys(_KEPT_BY_NOBODY, _nothing),
                "outgoing-body": lambda visit, output: output.abandon(),
                "future-incoming-response": lambda visit, future: future.job.cancel(),
            },
        ),
        "http/outgoing-handler": HostInterface({"handle": _handle}),
    }


_KEPT_BY_NOBODY = (
    "fields", "incoming-request", "incoming-response", "incoming-body", "future-trailers", "outgoing-request",
    "outgoing-response", "request-options", "response-outparam",
)  # fmt: skip


def _nothing(visit: Visit, resource: object) -> None:
    """Nothing is kept for it, or the visit keeps it."""


def _methods(resource: str, functions: Functions) -> Functions:
    return {f"[method]{resource}.{name}": function for name, function in functions.items()}


def _http_error_code(visit: Visit, error: object) -> object:
    return error_code(error) if isinstance(error, ProxyError) else None


def _no_informational(visit: Visit, out: ResponseOut, status: int, headers: GuestFields) -> Result:
    return "err", ("internal-error", "interim responses are not supported")


# What came in.


def _method(visit: Visit, incoming: IncomingRequest) -> tuple[str, str | None]:
    observed(incoming.request, ("method", ""))
    return method_case(incoming.request.method)


def _path_with_query(visit: Visit, incoming: IncomingRequest) -> str:
    observed(incoming.request, ("path", ""))
    observed(incoming.request, ("query", ""))
    return incoming.request.target


def _scheme(visit: Visit, incoming: IncomingRequest) -> tuple[str, None]:
    observed(incoming.request, ("scheme", ""))
    return incoming.request.scheme.upper(), None


def _authority(visit: Visit, incoming: IncomingRequest) -> str:
    observed(incoming.request, ("authority", ""))
    return incoming.request.authority


def _consume(visit: Visit, message: Incoming) -> Result:
    visit.reads(message.input)
    return message.consume()


def _finish_incoming(visit: Visit, body: IncomingBody) -> FutureTrailers:
    return FutureTrailers(visit.job(body.input.rest()))


_INCOMING_REQUEST: Functions = {
    "method": _method,
    "path-with-query": _path_with_query,
    "scheme": _scheme,
    "authority": _authority,
    "headers": lambda visit, message: message.headers,
    "consume": _consume,
}

_INCOMING_RESPONSE: Functions = {
    "status": lambda visit, message: message.status,
    "headers": lambda visit, message: message.headers,
    "consume": _consume,
}

_FUTURE: Functions = {
    "subscribe": lambda visit, future: future,
    "get": lambda visit, future: future.get(),
}


# What goes out.


def _body(visit: Visit, message: Outgoing) -> Result:
    sent = visit.has_content(message.status) if isinstance(message, OutgoingResponse) else True
    outcome = message.body(sent=sent)
    if outcome is not AGAIN:
        visit.writes(outcome[1])
    return outcome


def _write(visit: Visit, output: BodyOutput) -> Result:
    return output.stream()


def _finish_outgoing(visit: Visit, output: BodyOutput, trailers: GuestFields | None) -> Result:
    error = output.finish(None if trailers is None else trailers.fields)
    return OK if error is None else ("err", error_code(error))


def _set_status(visit: Visit, response: OutgoingResponse, status: int) -> Result:
    if not 200 <= status <= 599:
        return REFUSED
    response.status = status
    return OK


_OUTGOING_RESPONSE: Functions = {
    "status-code": lambda visit, response: response.status,
    "set-status-code": _set_status,
    "headers": lambda visit, response: response.headers,
    "body": _body,
}


def _set_scheme(visit: Visit, request: OutgoingRequest, scheme: tuple[str, str | None] | None) -> Result:
    request.scheme = scheme
    return OK


_OUTGOING_REQUEST: Functions = {
    "body": _body,
    "method": lambda visit, request: method_case(request.method),
    "set-method": set_method,
    "path-with-query": lambda visit, request: request.target,
    "set-path-with-query": set_target,
    "scheme": lambda visit, request: request.scheme,
    "set-scheme": _set_scheme,
    "authority": lambda visit, request: request.authority,
    "set-authority": set_authority,
    "headers": lambda visit, request: request.headers,
}


def _option(name: str) -> Functions:
    field = name.replace("-", "_")

    def set(visit: Visit, options: Timeouts, duration: int | None) -> Result:
        setattr(options, field, duration)
        return OK

    return {f"{name}-timeout": lambda visit, options: getattr(options, field), f"set-{name}-timeout": set}


_OPTIONS: Functions = {**_option("connect"), **_option("first-byte"), **_option("between-bytes")}


def _handle(visit: Visit, outgoing: OutgoingRequest, options: Timeouts | None) -> Result:
    """`outgoing-handler.handle`."""
    try:
        request = _request(visit, outgoing)
    except ProxyError as error:
        return "err", error_code(error)
    return "ok", FutureResponse(visit.job(_asked(visit, request, options or NONE)))


async def _asked(visit: Visit, request: Request, timeouts: Timeouts) -> IncomingResponse:
    """The visit ends the response's body with itself, whether the guest has looked at the response or not."""
    response = IncomingResponse(await visit.client.send(visit, request, timeouts))
    visit.reads(response.input)
    return response


def _request(visit: Visit, outgoing: OutgoingRequest) -> Request:
    scheme = "https" if outgoing.scheme is None else (outgoing.scheme[1] or outgoing.scheme[0]).lower()
    if outgoing.authority is None:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "a request needs an authority")
    path, mark, query = (outgoing.target or "/").partition("?")
    return Request(
        outgoing.method,
        scheme,
        outgoing.authority,
        path,
        query if mark else None,
        outgoing.headers.fields,
        visit.request.exchange,
        outgoing.content(),
    )

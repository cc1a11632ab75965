"""wasi:http/types, handler and client (0.3), with a Handling behind them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from proxy.component import HostFuture, HostInterface
from proxy.errors import ProxyError
from proxy.wasi.http import fields
from proxy.wasi.http.errors import error_code
from proxy.wasi.http.fields import GuestFields
from proxy.wasi.http.setters import OK, REFUSED, Result, method_case, set_authority, set_method, set_target
from proxy.wasi.http.timeouts import Timeouts
from proxy.wasi.p3.http.bodies import Contents
from proxy.wasi.p3.http.handling import Handling
from proxy.wasi.p3.http.messages import GuestRequest, GuestResponse, Message, Options, Scheme
from proxy.wasi.p3.streams import GivenFuture, GivenStream

Functions = dict[str, Callable[..., object]]


def interfaces() -> dict[str, HostInterface]:
    return {
        "http/types": HostInterface(
            {
                **fields.functions3(),
                "[static]request.new": _new_request,
                "[static]request.consume-body": _consume,
                **_methods("request", _REQUEST),
                "[constructor]request-options": lambda handling: Options(Timeouts()),
                **_methods("request-options", _OPTIONS),
                "[static]response.new": _new_response,
                "[static]response.consume-body": _consume,
                **_methods("response", _RESPONSE),
            },
            resources={
                "fields": _nothing,
                "request-options": _nothing,
                "request": lambda handling, message: message.close(),
                "response": lambda handling, message: message.close(),
            },
        ),
        "http/handler": HostInterface({"handle": _handle}),
        "http/client": HostInterface({"send": _send}),
    }


def _nothing(handling: Handling, resource: object) -> None:
    """Nothing is kept for it."""


def _methods(resource: str, functions: Functions) -> Functions:
    return {f"[method]{resource}.{name}": function for name, function in functions.items()}


# Messages.


def _new_request(
    handling: Handling,
    headers: GuestFields,
    contents: GivenStream | None,
    trailers: GivenFuture,
    options: Options | None,
) -> tuple[GuestRequest, HostFuture]:
    made = GuestRequest(headers, Contents(contents, trailers), options, None)
    return made, HostFuture(made.transmitted)


def _new_response(
    handling: Handling, headers: GuestFields, contents: GivenStream | None, trailers: GivenFuture
) -> tuple[GuestResponse, HostFuture]:
    made = GuestResponse(headers, Contents(contents, trailers))
    return made, HostFuture(made.transmitted)


def _consume(handling: Handling, message: Message, result: GivenFuture) -> tuple[GivenStream, GivenFuture]:
    """What the guest makes of the body is its own affair: `result` is not waited for."""
    result.drop()
    return message.contents.taken()


def _get_method(handling: Handling, request: GuestRequest) -> tuple[str, str | None]:
    request.reads("method")
    return method_case(request.method)


def _get_target(handling: Handling, request: GuestRequest) -> str | None:
    request.reads("path", "query")
    return request.target


def _get_scheme(handling: Handling, request: GuestRequest) -> Scheme | None:
    request.reads("scheme")
    return request.scheme


def _set_scheme(handling: Handling, request: GuestRequest, scheme: Scheme | None) -> Result:
    if scheme is not None and scheme[0] == "other":
        return REFUSED
    request.scheme = scheme
    return OK


def _get_authority(handling: Handling, request: GuestRequest) -> str | None:
    request.reads("authority")
    return request.authority


def _written(setter: Callable[..., Result], *accessors: str) -> Callable[..., Result]:
    """What was set is the guest's: who reads it below does not read what came."""
    sources = {(accessor, "") for accessor in accessors}

    def set(handling: Handling, request: GuestRequest, value: Any) -> Result:
        outcome = setter(handling, request, value)
        if outcome is OK:
            request.written |= sources
        return outcome

    return set


def _get_options(handling: Handling, request: GuestRequest) -> Options | None:
    return None if request.options is None else request.options.copy(mutable=False)


_REQUEST: Functions = {
    "get-method": _get_method,
    "set-method": _written(set_method, "method"),
    "get-path-with-query": _get_target,
    "set-path-with-query": _written(set_target, "path", "query"),
    "get-scheme": _get_scheme,
    "set-scheme": _written(_set_scheme, "scheme"),
    "get-authority": _get_authority,
    "set-authority": _written(set_authority, "authority"),
    "get-options": _get_options,
    "get-headers": lambda handling, request: request.headers,
}


def _set_status(handling: Handling, response: GuestResponse, status: int) -> Result:
    if not 200 <= status <= 599:
        return REFUSED
    response.status = status
    return OK


_RESPONSE: Functions = {
    "get-status-code": lambda handling, response: response.status,
    "set-status-code": _set_status,
    "get-headers": lambda handling, response: response.headers,
}


def _timeout(name: str) -> Functions:
    field = name.replace("-", "_")

    def set(handling: Handling, options: Options, duration: int | None) -> Result:
        if not options.mutable:
            return "err", ("immutable", None)
        setattr(options.timeouts, field, duration)
        return OK

    def get(handling: Handling, options: Options) -> int | None:
        found: int | None = getattr(options.timeouts, field)
        return found

    return {f"get-{name}-timeout": get, f"set-{name}-timeout": set}


_OPTIONS: Functions = {
    **_timeout("connect"),
    **_timeout("first-byte"),
    **_timeout("between-bytes"),
    "clone": lambda handling, options: options.copy(mutable=True),
}


# Asking others.


def _handle(handling: Handling, request: GuestRequest) -> Coroutine[Any, Any, Result]:
    """`handler.handle`: the stages below."""
    handling.asks()
    return _answered(handling, request, handling.pass_down)


def _send(handling: Handling, request: GuestRequest) -> Coroutine[Any, Any, Result]:
    """`client.send`: an origin that was granted."""
    handling.asks()
    return _answered(handling, request, handling.ask)


async def _answered(handling: Handling, request: GuestRequest, ask: Callable[..., Any]) -> Result:
    try:
        return "ok", GuestResponse.arrived(await ask(request))
    except ProxyError as error:
        return "err", error_code(error)

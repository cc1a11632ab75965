"""What a guest sets of a request, the same in 0.2 and 0.3: what could not be sent is refused."""

from __future__ import annotations

from typing import Any, Protocol

from proxy.http.syntax import is_authority, is_path, is_query, is_token

OK = ("ok", None)
REFUSED = ("err", None)

METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")

Result = tuple[str, Any]


class Settable(Protocol):
    method: str
    target: str | None
    authority: str | None


def method_case(method: str) -> tuple[str, str | None]:
    """As a case of the variant `method`."""
    lowered = method.lower()
    return (lowered, None) if lowered in METHODS and method == lowered.upper() else ("other", method)


def set_method(context: object, request: Settable, method: tuple[str, str | None]) -> Result:
    case, other = method
    name = case.upper() if other is None else other
    if not is_token(name.encode()) or name == "CONNECT":
        return REFUSED
    request.method = name
    return OK


def set_target(context: object, request: Settable, target: str | None) -> Result:
    if target is not None:
        path, mark, query = target.partition("?")
        if not is_path(path) or (mark and not is_query(query)):
            return REFUSED
    request.target = target
    return OK


def set_authority(context: object, request: Settable, authority: str | None) -> Result:
    if authority is not None and not is_authority(authority.lower()):
        return REFUSED
    request.authority = None if authority is None else authority.lower()
    return OK

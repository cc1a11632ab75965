"""The target of a request (RFC 9112 §3.2, §3.3): what resource it is about."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address

from proxy import errors
from proxy.errors import ProxyError
from proxy.http import syntax

_LONGEST_AUTHORITY = 255 + len(":65535")
"""RFC 1035 §2.3.4, and a port."""


def parse(method: str, target: str, host: bytes | None, default: str) -> tuple[str, str, str | None]:
    """(authority, path, query) of a request.

    target: in visible ASCII. host: the value of its one Host field, None without one; `default` stands for it then.
    Raises ProxyError with status 400.
    """
    named = default if host is None else authority(host)
    path, mark, query = target.partition("?")
    if path[:1] != "/" and (path, method, mark) != ("*", "OPTIONS", ""):
        return _absolute(method, target, None if host is None else named)
    return named, path, query if mark else None


def _absolute(method: str, target: str, host: str | None) -> tuple[str, str, str | None]:
    scheme, _, rest = target.partition("://")
    if scheme.lower() not in ("http", "https"):
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "the request target is neither a path nor an http URI")
    end = min(at for at in (rest.find("/"), rest.find("?"), len(rest)) if at >= 0)
    named = authority(rest[:end].encode())
    # RFC 9112 §3.2.2 lets the target win; whoever looks only at Host would then see another site than we do.
    if host is not None and named != host:
        raise ProxyError(errors.HTTP_REQUEST_ERROR, "Host and the request target name different authorities")
    if end == len(rest) and method == "OPTIONS":
        return named, "*", None  # RFC 9112 §3.2.4: about the server, not about its root
    path, mark, query = rest[end:].partition("?")
    return named, path or "/", query if mark else None


@lru_cache(maxsize=1024)
def authority(value: bytes) -> str:
    """A Host field's value, or the authority of a URI, in lower case, an IPv6 address in its one canonical form
    (RFC 5952 §4), as those of routes are. Raises ProxyError with status 400."""
    text = value.decode("latin-1").lower()
    if len(text) > _LONGEST_AUTHORITY or not syntax.is_authority(text):
        raise _no_host()
    return _canonical(text) if text.startswith("[") else text


def _canonical(literal: str) -> str:
    host, _, port = literal[1:].partition("]")
    try:
        return f"[{IPv6Address(host)}]{port}"
    except ValueError:
        raise _no_host() from None


def _no_host() -> ProxyError:
    return ProxyError(errors.HTTP_REQUEST_ERROR, "Host is not a host with an optional port")

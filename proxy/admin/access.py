"""Who may use the admin listener."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from proxy.exchange import Request


def bearer_matches(request: Request, token: str) -> bool:
    """Does `Authorization` carry that bearer token (RFC 6750 §2.1)? Takes the same time wherever they differ."""
    scheme, _, credentials = (request.fields.get(b"authorization") or b"").partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(credentials.strip(b" "), token.encode())


def host_is_literal(authority: str) -> bool:
    """Is the request's host an IP address or localhost?

    A page that a browser on this machine has open can make its own host name resolve to 127.0.0.1 and read
    what a listener there answers (DNS rebinding); its requests then carry that name.
    """
    host = _without_port(authority)
    return host == "localhost" or _is_address(host)


def is_foreign(request: Request) -> bool:
    """Does it come from a page of another origin? A browser sends what such a page asks it to (CSRF), and says whose it
    is (RFC 6454 §7.3, Fetch Metadata)."""
    origin, site = request.fields.get(b"origin"), request.fields.get(b"sec-fetch-site")
    ours = f"{request.scheme}://{request.authority}".encode()
    return (origin is not None and origin != ours) or (site is not None and site not in (b"same-origin", b"none"))


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
